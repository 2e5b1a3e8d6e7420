"""Small trainings to profile."""

from dataclasses import dataclass

from atft_kedro.network.params import NetworkParams
from atft_kedro.profiling.trace.steps import ProfiledTraining
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import TrainingParams
from factories.params import make_params

NETWORK = make_params(NetworkParams, hidden_size=16, lookback=16, fan_channels=8)
TRAINING = make_params(
    TrainingParams,
    phases=[
        {"name": "plain", "epochs": 1, "learning_rate": 1e-3},
        {
            "name": "all",
            "epochs": 2,
            "learning_rate": 1e-3,
            "modules": ["fan", "gat"],
            "loss": "mse:0.5,rank_ic:0.5",
        },
    ],
)


@dataclass(frozen=True)
class ProfileCase:
    """A training that can be profiled."""

    training_data: TrainingData
    network: NetworkParams = NETWORK
    training: TrainingParams = TRAINING

    def start(self, phase: int = 1, training: TrainingParams = TRAINING) -> ProfiledTraining:
        return ProfiledTraining.start(self.training_data, self.network, training, training.phases[phase])
