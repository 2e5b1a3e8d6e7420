"""The pages that people look at, in a real browser."""

import json
import re
import sqlite3
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from factories.browser import open_page, serve
from factories.project import KEDRO

pytestmark = pytest.mark.slow
PLOTS = ".js-plotly-plot"


@pytest.fixture(scope="module")
def report(ran_project: Path) -> str:
    return (ran_project / "data" / "06_models" / "runs" / "latest" / "report.html").resolve().as_uri()


def test_the_report_is_whole_without_a_network(report: str) -> None:
    with open_page(report) as looked:
        looked.page.wait_for_selector(f"{PLOTS} .main-svg")
        titles = looked.page.locator("h2").all_inner_texts()
        drawn = looked.page.locator(PLOTS).count()

    assert looked.errors == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in looked.asked)
    assert drawn >= 16  # the sensitivity is drawn if any positions are held
    for title in (
        "Goals",
        "Difference from the baselines on the test days",
        "Phases",
        "Rank IC over time",
        "Calibration",
    ):
        assert title in titles


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_of_the_report_is_wider_than_its_window(report: str, width: int) -> None:
    with open_page(report, width) as looked:
        looked.page.wait_for_selector(f"{PLOTS} .main-svg")

        assert not looked.is_wider_than_its_window()
        tables = "[...document.querySelectorAll('.scroll')].filter(each => each.scrollWidth > each.clientWidth).length"
        assert width < 1000 or looked.page.evaluate(tables) == 0
        for plot in looked.page.locator(PLOTS).all():
            assert (plot.bounding_box() or {"width": width + 1})["width"] <= width


def test_every_axis_of_the_report_has_a_title(report: str) -> None:
    with open_page(report) as looked:
        looked.page.wait_for_selector(f"{PLOTS} .main-svg")
        unlabelled = looked.page.evaluate(
            """() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(plot =>
                Object.entries(plot._fullLayout)
                    .filter(([name, axis]) => /^yaxis\\d*$/.test(name) && axis.visible && axis.type === 'linear')
                    .filter(([name, axis]) => !axis.title.text || axis.title.text.startsWith('Click'))
                    .map(([name]) => [plot.closest('section').querySelector('h2').innerText, name]))"""
        )
        clipped = looked.page.evaluate(
            """() => [...document.querySelectorAll('.js-plotly-plot .legend')].filter(legend => {
                const inner = legend.getBoundingClientRect();
                const outer = legend.closest('.js-plotly-plot').getBoundingClientRect();
                return inner.top < outer.top - 1 || inner.left < outer.left - 1;
            }).length"""
        )

    titled_on_first_axis_only = {"Returns by decile of the forecast", "The run and its baselines"}
    assert {title for title, _ in unlabelled} <= titled_on_first_axis_only
    assert clipped == 0


@pytest.fixture(scope="module")
def viz(ran_project: Path) -> Iterator[str]:
    with serve(ran_project, str(KEDRO), "viz", "run", "--no-browser", path="/api/main") as url:
        yield url


def _find(viz: str, name: str) -> str:
    with urllib.request.urlopen(f"{viz}/api/main") as answer:
        nodes = json.load(answer)["nodes"]
    return next(node["id"] for node in nodes if node["name"] == name)


def test_kedro_viz_shows_one_box_per_pipeline(viz: str) -> None:
    with open_page(f"{viz}/?pid=train", 1600) as looked:
        looked.page.wait_for_selector(".pipeline-node >> text=evaluate", timeout=30_000)
        shown = [text.strip() for text in looked.page.locator(".pipeline-node__text").all_text_contents()]

    assert {"data", "guard", "prepare", "graph", "fit", "evaluate", "export", "training_data"} <= set(shown)
    assert not {"fit_network", "graph_params", "ic_plot", "split_plot"} & set(shown)


def test_kedro_viz_opens_the_boxes(viz: str) -> None:
    with open_page(f"{viz}/?pid=train&expandAllPipelines=true", 1600) as looked:
        looked.page.wait_for_selector("text=fit_network", timeout=30_000)
        shown = looked.page.inner_text("body")

    for name in ("forecast_splits", "score_forecasts", "write_report"):
        assert name in shown


def test_kedro_viz_previews_a_table(viz: str) -> None:
    with open_page(f"{viz}/?pid=train&sid={_find(viz, 'forecasts')}", 1600) as looked:
        table = looked.page.wait_for_selector(".preview-table", timeout=30_000)

        assert table is not None
        assert "horizon" in table.inner_text()


def test_kedro_viz_previews_a_picture(viz: str) -> None:
    with open_page(f"{viz}/?pid=train&expandAllPipelines=true&sid={_find(viz, 'ic_plot')}", 1600) as looked:
        looked.page.wait_for_selector(f"{PLOTS} .main-svg", timeout=30_000)

        assert "cumulative rank IC" in looked.page.inner_text(PLOTS)


@pytest.mark.long
def test_mlflow_shows_a_finished_run_with_its_report(ran_project: Path) -> None:
    with sqlite3.connect(ran_project / "mlflow.db") as store:
        run, experiment = store.execute("select run_uuid, experiment_id from runs where status = 'FINISHED'").fetchone()
    name = (ran_project / "data" / "06_models" / "runs" / "latest").resolve().name
    words = [str(KEDRO.with_name("mlflow")), "ui", "--backend-store-uri", "sqlite:///mlflow.db", "--workers", "1"]
    with serve(ran_project, *words) as url:
        place = f"{url}/#/experiments/{experiment}/runs/{run}"
        with open_page(f"{place}/model-metrics", 1600) as looked:
            looked.page.wait_for_selector("text=net_sharpe_1d", timeout=60_000)
            shown = looked.page.inner_text("body")
            assert name in shown
            assert "validation\n(34)" in shown
            of_test = re.search(r"test\n\((\d+)\)", shown)
            assert of_test is not None
            assert int(of_test[1]) >= 14  # 12 of forecasts; positions have at least net_mean and turnover
        with open_page(f"{place}/artifacts/report.html", 1600) as looked:
            page = looked.page.frame_locator("iframe")
            page.get_by_text("Difference from the baselines on the test days").first.wait_for(timeout=60_000)
