/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of sandbox/. */
#ifndef VIREO_SANDBOX_PARTS_H
#define VIREO_SANDBOX_PARTS_H

#include "../sandbox.h"

struct error;

/* The process: what happens when a filter refuses a call. */
int seccomp_prepare(struct error *err);
/* The calling thread, which has no new privileges; -errno. */
int seccomp_load_filter(enum sandbox_thread kind);

/* on: the file system; after no new privileges. */
int files_deny(struct error *err);

/* strict: a namespace of processes, for the next child of this one. */
int namespaces_new_processes(struct error *err);
/* strict: all others, and an empty root. */
int namespaces_enter(struct error *err);

#endif
