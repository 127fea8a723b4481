/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An event loop: file descriptors, timers and posts from other threads.
 *
 * A loop belongs to the thread that runs it.  Only loop_post, loop_sync,
 * loop_stop and loop_timer_arm/cancel may be called from other threads.
 *
 * Locks:
 *   loop.lock   mutex   timers and posts; never held while a callback runs
 */
#ifndef VIREO_LOOP_H
#define VIREO_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct error;
struct loop;

typedef void (*loop_fd_fn)(void *opaque, uint32_t events);
typedef void (*loop_fn)(void *opaque);

/* Owned by the caller, who must delete it before freeing it. */
struct loop_fd {
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT; changed by loop_fd_set only */
	loop_fd_fn fn;
	void *opaque;
	bool added;
	bool always; /* a regular file: epoll refuses it, it is always ready */
	struct loop_fd *next_always;
};

struct loop_timer {
	loop_fn fn;
	void *opaque;
	uint64_t deadline; /* CLOCK_MONOTONIC, ns; 0 if not armed */
	struct loop_timer *next;
};

/* A queued call; owned by the caller, may be posted again while queued. */
struct loop_call {
	loop_fn fn;
	void *opaque;
	bool queued;
	struct loop_call *next;
};

/*
 * Something that can be looked at, which is quicker than being woken for it, as
 * long as the loop has a processor to itself.  Owned by the caller.  All are
 * called in the loop's thread, and only if the loop polls (loop_poll_max).
 */
struct loop_poller {
	/* Handles what is ready; true if anything was. */
	bool (*poll)(void *opaque);
	/* The loop looks from now on: nobody need wake it. */
	void (*begin)(void *opaque);
	/* From now on it is to be woken; true if it has to look once more. */
	bool (*end)(void *opaque);
	void *opaque;
	struct loop_poller *next;
};

int loop_new(struct loop **loop, struct error *err);
void loop_free(struct loop *loop);

/* Runs until loop_stop; returns 0 or -errno if epoll itself fails. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* -errno as epoll_ctl(2); a regular file is accepted and always ready. */
int loop_fd_add(struct loop *loop, struct loop_fd *lfd);
void loop_fd_set(struct loop *loop, struct loop_fd *lfd, uint32_t events);
void loop_fd_del(struct loop *loop, struct loop_fd *lfd);

/*
 * How long the loop polls at most before it sleeps, in ns; 0, the default: not
 * at all.  It finds out itself how long is worth it: longer if what it waited
 * for came soon after it had given up, less if it came much later.  Before the
 * loop runs.
 */
void loop_poll_max(struct loop *loop, uint64_t ns);
/* From the loop's thread, or while it does not run. */
void loop_poller_add(struct loop *loop, struct loop_poller *poller);
void loop_poller_del(struct loop *loop, struct loop_poller *poller);

uint64_t loop_now(void); /* CLOCK_MONOTONIC in ns */
void loop_timer_arm(struct loop *loop, struct loop_timer *t, uint64_t deadline);
void loop_timer_cancel(struct loop *loop, struct loop_timer *t);

void loop_post(struct loop *loop, struct loop_call *call);
/* Removes a call that has not run yet; from the loop's thread only. */
void loop_unpost(struct loop *loop, struct loop_call *call);
/*
 * Runs @fn in the loop's thread and waits until it has returned.  The caller
 * holds no lock that the loop's callbacks take.  A loop that nobody runs is the
 * caller's.
 */
void loop_sync(struct loop *loop, loop_fn fn, void *opaque);

/*
 * From the loop's thread only, and cheap: has @call run before the loop sleeps
 * again, after what is ready now has been handled.  For what is done once for
 * many.  A call is either posted or deferred, not both.
 */
void loop_defer(struct loop *loop, struct loop_call *call);
void loop_undefer(struct loop *loop, struct loop_call *call);

#endif
