"""People's data as long as they are kept: sealed anew, ended in time, given out, erased."""
