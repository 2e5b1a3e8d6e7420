"""Names of a workspace."""

from atft_kedro.workspaces import name_data_folder, name_registered_model


def test_only_the_simulated_market_has_the_data_folder_itself() -> None:
    assert [name_data_folder(name) for name in ("simulated", "files")] == ["data", "data/files"]
    assert [name_registered_model(name) for name in ("simulated", "files")] == ["atft_gat_fan", "atft_gat_fan_files"]
