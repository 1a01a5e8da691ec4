//! A simulated fleet and recorded readings, sent to a server over HTTP, with honest figures.
