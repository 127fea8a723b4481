/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A byte stream between a device and the world: a terminal, a
 * pseudo-terminal, a file, a socket (chardev_socket.h), or nothing.
 *
 * Target syntax: "stdio", "pty", "file:PATH", "unix:PATH", "none".
 *
 * Output never blocks and never gets lost: what the world does not take yet
 * is queued, and past CHARDEV_HIGH_WATER the device is asked to hold the guest
 * back (chardev_write returns false; on_drained follows).  A guest that goes
 * on writing regardless loses what does not fit into as much again.  What a
 * pty would show to nobody is dropped.
 *
 * Input is read only while the device has room (can_take); a terminal is read
 * some way ahead, so that the escape key works when the guest hangs.
 *
 * A stdio terminal is put into raw mode while the VM runs and put back on
 * every way out of the process that lets code run.  There Ctrl-A is the escape
 * key: Ctrl-A h shows what can follow.
 *
 * Locks:
 *   chardev.lock   mutex   the output queue; taken inside a device lock
 * Callbacks come from the loop's thread with no lock held.
 */
#ifndef VIREO_CHARDEV_H
#define VIREO_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chardev;
struct error;
struct loop;

#define CHARDEV_HIGH_WATER 65536

struct chardev_client {
	/* How many bytes the device can take now. */
	size_t (*can_take)(void *opaque);
	void (*input)(void *opaque, const uint8_t *buf, size_t len);
	/* The queue is empty again after chardev_write returned false. */
	void (*on_drained)(void *opaque);
	void *opaque;
};

/* What a person can ask for with the escape key (from the loop's thread). */
struct chardev_escape {
	void (*power_button)(void *opaque);
	void (*stop)(void *opaque);
	void (*reset)(void *opaque);
	void *opaque;
};

int chardev_open(struct chardev **chr, struct loop *loop, const char *target,
		 const struct chardev_client *client,
		 const struct chardev_escape *escape, struct error *err);
/* Writes out what is queued, for a bounded time, and restores the terminal. */
void chardev_close(struct chardev *chr);

/* Any thread.  False: queued, but please hold back until on_drained. */
bool chardev_write(struct chardev *chr, const void *buf, size_t len);

/* Any thread: the device has room (again), or has none; input (re)starts. */
void chardev_poll_input(struct chardev *chr);

/*
 * For who else uses a standard stream: a descriptor of our own for it, or
 * -errno, non-blocking if that does not bear on whom we share it with.
 */
int chardev_own_stream(int fd, int flags);

/* The name to show a person: "pty /dev/pts/3". */
const char *chardev_label(const struct chardev *chr);

#endif
