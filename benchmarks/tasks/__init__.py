"""Tasks with a truth that a program knows, at lengths from 8K to 10M tokens.

    python -m benchmarks.tasks list
    python -m benchmarks.tasks fetch ruler words wordnet
    python -m benchmarks.tasks make niah_single_2 --tokens 1M --seed 3 --out DIR
    python -m benchmarks.tasks run oolong-sms --tokens 8K,32K --seeds 4 --stack cpu-small

Generators and scorers are pure: a seed fixes every byte, and nothing here asks a model but
`runner`. What a task is made of stands in `task`, what there is in `registry`.
"""
