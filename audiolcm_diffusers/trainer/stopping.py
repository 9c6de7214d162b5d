# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A run that is asked to stop."""

import signal
import threading


class StopRequest:
    r"""
    SIGTERM, with which schedulers of clusters ask before they kill, is noted instead of obeyed, so that a run can save
    a checkpoint first. Signals reach the main thread alone; in others nothing changes.

    Args:
        accelerator (`Accelerator`): The run's.
    """

    def __init__(self, accelerator):
        self.accelerator = accelerator
        self._requested = False
        self._handler_before = None
        if threading.current_thread() is threading.main_thread():
            self._handler_before = signal.signal(signal.SIGTERM, self._note)

    def _note(self, signal_number, frame):
        self._requested = True
        self.accelerator.set_trigger()

    def is_made(self, asks_others):
        r"""
        Whether any process was asked to stop.

        Args:
            asks_others (`bool`): Whether several processes ask each other now, for which all have to wait.
        """
        if self.accelerator.num_processes == 1:
            return self._requested
        return asks_others and self.accelerator.check_trigger()

    def let_go(self):
        r"""A process that has more to do than the run is ended by SIGTERM as before."""
        if self._handler_before is not None:
            signal.signal(signal.SIGTERM, self._handler_before)
            self._handler_before = None
