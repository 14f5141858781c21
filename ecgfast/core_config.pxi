# The configuration of a stream, from its parameters as a caller gives them.


def _whole(value, name):
    try:
        number = index(value)
    except TypeError:
        raise InputError(f"{name} must be a whole number, got {value!r}") from None
    if not -(1 << 31) <= number < 1 << 31:
        raise InputError(f"{name}={number} is out of range")
    return number


cdef c.ecg_detector_config _detector_config(fs, n_leads, method, max_delay, max_rate) except *:
    cdef c.ecg_detector_config config
    if isinstance(method, str) and method == "given":
        warn_renamed("method='given'", "method='external'", stacklevel=2)
        method = "external"
    if not isinstance(method, str) or method not in _ALL_METHODS:
        raise InputError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    config.fs = real_number(fs, "fs")
    config.max_delay = 0.0 if max_delay is None else real_number(max_delay, "max_delay")
    config.n_leads = _whole(n_leads, "n_leads")
    config.method = _ALL_METHODS[method]
    config.keep = 0.0
    config.max_rate = 0.0 if max_rate is None else real_number(max_rate, "max_rate")
    # 0 stands for the default in the core alone.
    if max_delay is not None and config.max_delay == 0.0:
        config.max_delay = -1.0
    if max_rate is not None and config.max_rate == 0.0:
        config.max_rate = -1.0
    cdef int status = c.ecg_detector_check(&config)
    if status != c.ECG_OK:
        # Only what the status is about: the caller may not have given the others.
        given = {
            c.ECG_ERROR_FS: f"fs={config.fs:g}",
            c.ECG_ERROR_LEADS: f"n_leads={n_leads}",
            c.ECG_ERROR_DELAY: f"max_delay={float(max_delay or 0):g}",
            c.ECG_ERROR_RATE: f"max_rate={float(max_rate or 0):g}",
        }.get(status, "")
        moves = {c.ECG_ERROR_FS: "multiplies these limits", c.ECG_ERROR_DELAY: "divides these limits"}
        if config.max_rate not in (0.0, c.ECG_RATE_MAX) and status in moves:
            given += (f"; max_rate={config.max_rate:g} {moves[status]} by "
                      f"{config.max_rate / c.ECG_RATE_MAX:g}")
        if status == c.ECG_ERROR_DELAY:
            given += "; leave it out to wait as long as the method needs"
        raise InputError(f"{c.ecg_status_text(status).decode()}: {given}")
    return config


def _window_spec(window):
    if window is None:
        return WindowSpec()
    try:
        grid_fs, before, after, *rest = window
        spec = WindowSpec(grid_fs, before, after, *rest)
    except (TypeError, ValueError):
        raise InputError(
            f"window must be (grid_fs, before, after, kind, history), got {window!r}") from None
    if not isinstance(spec.kind, str) or spec.kind not in WINDOW_KINDS:
        raise InputError(f"unknown kind of window {spec.kind!r}: choose one of {', '.join(WINDOW_KINDS)}")
    return WindowSpec(real_number(spec.grid_fs, "grid_fs"), _whole(spec.before, "before"),
                      _whole(spec.after, "after"), spec.kind, _whole(spec.history, "history"))
