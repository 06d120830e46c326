//! What the studio does: the stations a generation travels, jobs, money, audit.
