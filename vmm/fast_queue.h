/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client of what <linux/vireo_queue.h> describes: disks and block queues
 * that the module serves.  What these structs hold is told there.
 *
 * Locks: none.  All of it may be called from any thread; size and flags of what
 * is given are filled in here, but for those flags that say something.
 */
#ifndef VIREO_FAST_QUEUE_H
#define VIREO_FAST_QUEUE_H

#include <linux/vireo.h>

#include "fastpath.h"

/*
 * Why the module serves no queues of the VM, whose memory is @mem; or NULL.  Before
 * the machine is locked in.
 */
const char *fast_queue_open(struct fastpath *fp, const struct mem *mem);

/* A descriptor or -errno; before the machine is locked in. */
int fast_disk_create(struct vireo_disk_create *create);
/* 0 or -errno, as the others. */
int fast_disk_set(int disk_fd, struct vireo_disk_set *set);

int fast_queue_add(const struct fastpath *fp, struct vireo_queue_add *add);
/* Waits for what is in flight. */
int fast_queue_del(const struct fastpath *fp, struct vireo_queue_del *del);
int fast_queue_state(const struct fastpath *fp,
		     struct vireo_queue_state *state);

#endif
