/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VIREO_SLIRP_H
#define VIREO_SLIRP_H

#include <slirp/libslirp.h>

/*
 * Gives up all but sockets and reading what a resolver reads; NULL, or what
 * failed, with errno.
 */
const char *confine(void);

#endif
