/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VIREO_CLI_INSPECT_STATE_H
#define VIREO_CLI_INSPECT_STATE_H

#include <stdbool.h>

struct error;

/* No machine has such a name: it is a file's, or a directory's. */
bool inspect_is_state(const char *name);
/* Prints what the file, or the snapshot in the directory, says of a machine. */
int inspect_state(const char *path, bool json, struct error *err);

#endif
