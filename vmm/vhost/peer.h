/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user backend at a path, who may go and come back: a second later at
 * most it is found again, and greeted.
 *
 * Locks: none.  All of it is its loop's, which is the main thread's.
 */
#ifndef VIREO_VHOST_PEER_H
#define VIREO_VHOST_PEER_H

#include "../dial.h"
#include "../log.h"
#include "vhost.h"

struct vhost_peer {
	/* As the device has set them before it is opened. */
	struct vhost *vh;
	const char *id; /* for the log */
	struct loop *loop;
	/* It has gone, or come back. */
	void (*changed)(void *opaque, bool there);
	void *opaque;

	struct dial dial;
	uint64_t wanted; /* of its features, each time */
	struct loop_fd watch;
	struct loop_fd dialled;
	struct log_limit limit;
};

/*
 * Connects to @path, where somebody must be; all or nothing.  Before the loop
 * runs wanted may be set to less than all that was there.
 */
int vhost_peer_open(struct vhost_peer *peer, const char *path,
		    struct error *err);
void vhost_peer_close(struct vhost_peer *peer);

#endif
