"""The 0.5B as pulled on this machine: what conversion made of it. scripts/test pulls it first."""

import pytest

from rlm_local.config import Home
from rlm_local.registry import load_registry
from rlm_local.weights.store import WeightStore

MODEL = "qwen2.5-coder-0.5b"
QUESTION = "Write a Python function that returns the lines of a file that contain a word."

pytestmark = [pytest.mark.weights, pytest.mark.timeout(600)]


@pytest.fixture
def store() -> WeightStore:
    return WeightStore(Home.from_environment().folder("weights"), load_registry())


def test_every_byte_is_as_it_was_pulled(store: WeightStore) -> None:
    assert store.verify(MODEL).problems == ()


def test_it_answers_in_words(store: WeightStore) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = store.location(MODEL, serving="transformers")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    asked = [{"role": "user", "content": "What is the capital of France? One word."}]
    prompt = tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    reply = model.generate(**prompt, max_new_tokens=8, do_sample=False)
    assert "Paris" in tokenizer.decode(reply[0][prompt["input_ids"].shape[1] :])


def test_tying_the_embeddings_keeps_the_logits(store: WeightStore) -> None:
    """Against the file's own two matrices.

    The output matrix is the file's, bit for bit; the input one was coarser in the file, and
    replacing it by the finer one must not change what the model would say.
    """
    import torch
    from gguf import GGUFReader, dequantize
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = store.location(MODEL, serving="transformers")
    file = next((folder.parent / "source").glob("*.gguf"))
    assert (folder / "model.safetensors").stat().st_size < 1_000_000_000  # one matrix, not two
    tensors = {tensor.name: tensor for tensor in GGUFReader(file).tensors}

    def of_file(name: str) -> torch.Tensor:
        tensor = tensors[name]
        return torch.from_numpy(dequantize(tensor.data, tensor.tensor_type)).to(torch.bfloat16)

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    assert inputs.weight is outputs.weight
    assert torch.equal(outputs.weight, of_file("output.weight"))

    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    with torch.no_grad():
        tied = model(**prompt).logits[0].float()
        inputs.weight = torch.nn.Parameter(of_file("token_embd.weight"))
        untied = model(**prompt).logits[0].float()
    assert torch.equal(tied.argmax(-1), untied.argmax(-1))
    drift = torch.nn.functional.kl_div(
        tied.log_softmax(-1), untied.log_softmax(-1), log_target=True, reduction="batchmean"
    )
    assert float(drift) < 0.01
