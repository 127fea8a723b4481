/* SPDX-License-Identifier: GPL-2.0 */
/* Allocations of the kernel that fail because a test wants it. */
#ifndef VIREO_KSELFTEST_INJECT_H
#define VIREO_KSELFTEST_INJECT_H

#include <stdbool.h>

/* Which allocations may fail; no effect on who does not ask for it. */
bool inject_set_up(void);
/*
 * The nth allocation of this thread from now on fails; @fail is its
 * /proc/thread-self/fail-nth.
 */
void inject_arm(int fail, int nth);
/* No more; whether one has failed. */
bool inject_disarm(int fail);

#endif
