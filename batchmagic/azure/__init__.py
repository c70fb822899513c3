"""``import azure.ai.ml`` and ``azure.identity`` mean batchmagic: notebooks written for Azure run here unedited."""

from batchmagic.azure.switch import install, is_installed, uninstall

__all__ = ["install", "is_installed", "uninstall"]
