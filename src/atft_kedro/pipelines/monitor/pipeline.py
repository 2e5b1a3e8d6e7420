"""From the journal and the newest returns to a report, a page and an alarm."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Check the live forecasts of the journal."""
    return Pipeline(
        [
            Node(
                nodes.check_live_forecasts,
                [
                    *("mapped_dataset", "guard_verdict", "journal", "exported_models", "acknowledgements"),
                    *("prediction_day", "params:evaluation", "params:monitor"),
                ],
                ["monitor_report", "monitor_page"],
                name="check_live_forecasts",
            ),
            Node(nodes.report_alarm, ["monitor_report", "monitor_page", "notification"], None, name="report_alarm"),
        ],
        tags=["monitor", "shared"],
    )
