//! Every format that leaves the process: readings, stored events, notifications.
