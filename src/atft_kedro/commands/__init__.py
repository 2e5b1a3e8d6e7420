"""The commands ``kedro run`` and ``kedro atft …``."""
