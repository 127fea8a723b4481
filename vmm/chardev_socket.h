/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far side of a console that is a UNIX socket: several people can attach,
 * each sees what was printed lately and all that follows, and what each types
 * goes in.
 *
 * Nobody holds the guest back: who does not read as fast as the guest prints
 * loses what is older than the buffer, and is told so.
 *
 * All calls and callbacks are the loop's thread's.
 */
#ifndef VIREO_CHARDEV_SOCKET_H
#define VIREO_CHARDEV_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chardev_socket;
struct error;
struct loop;

/* What was printed before somebody attached, or while he did not read. */
#define CHARDEV_SCROLLBACK 65536
#define CHARDEV_SOCKET_CLIENTS 8

struct chardev_socket_user {
	/* How many bytes of input there is room for; 0: poll_input follows. */
	size_t (*room)(void *opaque);
	void (*input)(void *opaque, const uint8_t *buf, size_t len);
	void *opaque;
};

int chardev_socket_open(struct chardev_socket **s, struct loop *loop,
			const char *path,
			const struct chardev_socket_user *user,
			struct error *err);
/* What was printed last still goes out, within @limit_ns. */
void chardev_socket_close(struct chardev_socket *s, uint64_t limit_ns);

void chardev_socket_print(struct chardev_socket *s, const uint8_t *buf,
			  size_t len);
/* There is room for input (again), or there is none. */
void chardev_socket_poll_input(struct chardev_socket *s, bool room);

#endif
