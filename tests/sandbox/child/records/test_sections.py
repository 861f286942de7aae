"""Markdown: one record a section."""

from tests.sandbox.child.records.given import read

GUIDE = """A guide to kettles

# Kettles
All about them.

## Filling
Open the lid.

Pour.

```sh
# no title
```

## Boiling ##
Wait.
"""


def test_a_section_has_title_level_and_text() -> None:
    raw = read(GUIDE)
    assert raw.kind == "sections"
    assert raw.header == ["A guide to kettles"]
    assert raw.rows == [
        {"title": "Kettles", "level": 1, "text": "All about them."},
        {
            "title": "Filling",
            "level": 2,
            "text": "Open the lid.\n\nPour.\n\n```sh\n# no title\n```",
        },
        {"title": "Boiling", "level": 2, "text": "Wait."},
    ]


def test_a_fence_that_is_never_closed_hides_no_title() -> None:
    raw = read(GUIDE.replace("```\n\n## Boiling", "\n## Boiling"))
    assert [row["title"] for row in raw.rows] == ["Kettles", "Filling", "no title", "Boiling"]


def test_comments_of_settings_are_no_titles() -> None:
    text = "# how hot\nheat: 7\ntime: 9\n\n# how long\nwait: 3\n- one\n\n# who\nname: ann\n"
    assert read(text * 3).is_guess
