"""Names that depend on where the data comes from: its folder, and its model in MLflow's registry."""

SIMULATED = "simulated"  # the source and the workspace of the simulated market
DATA_FOLDER = "data"
REGISTERED_MODEL = "atft_gat_fan"


def name_data_folder(workspace: str) -> str:
    """Return the data folder of a workspace; that of the simulated market is `data` itself."""
    return DATA_FOLDER if workspace == SIMULATED else f"{DATA_FOLDER}/{workspace}"


def name_registered_model(workspace: str) -> str:
    """Return the name of a workspace's model in MLflow's registry."""
    return REGISTERED_MODEL if workspace == SIMULATED else f"{REGISTERED_MODEL}_{workspace}"
