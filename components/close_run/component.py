"""close_run: the exit handler, after success, failure and cancellation."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def close_run(
    status: dsl.PipelineTaskFinalStatus,
    title: str,
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
    over_nodes: bool = False,
    rounds_root: str = "",
):
    """Final status to MLflow, a page of what ran and why it ended, scratch of a run that succeeded removed."""
    from groundtune import close_run

    close_run.run(
        status.state,
        status.error_message,
        page.path,
        summary.path,
        title,
        over_nodes=over_nodes,
        rounds=rounds_root,
    )
