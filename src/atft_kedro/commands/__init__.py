"""The commands under ``kedro atft``, by what they look after."""
