"""join_seed: what the methods of one seed answered, with the model that they began from."""

from typing import List

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def join_seed(
    base_answers: dsl.Input[dsl.Dataset],
    answers: dsl.Input[List[dsl.Dataset]],
    adapters: dsl.Input[List[dsl.Model]],
    methods: list,
    sampling: dict,
    comparison: dsl.Output[dsl.Dataset],
):
    """All answers of a seed, each with its method; other questions or another protocol are refused."""
    from groundtune.comparison import answers as joined

    made = joined.run(
        base_answers.path,
        [one.path for one in answers],
        [one.path for one in adapters],
        methods,
        sampling["seed"],
        comparison.path,
    )
    comparison.metadata.update(made.card)
