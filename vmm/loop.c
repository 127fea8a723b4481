// SPDX-License-Identifier: GPL-2.0-or-later
#include "loop.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

#define LOOP_BATCH 16
/* The first try at polling; then twice as long each time (as QEMU does). */
#define POLL_FIRST 4000

struct loop {
	int epfd;
	struct loop_fd wake; /* eventfd: lock-protected state has changed */
	bool stop;
	bool running;	  /* thread is set */
	pthread_t thread; /* who runs it */
	struct loop_fd *always;
	struct loop_call *deferred, **deferred_end;
	struct loop_poller *pollers;
	uint64_t poll_max, poll_ns;

	/* The events being handled, so that loop_fd_del can strike one out. */
	struct epoll_event batch[LOOP_BATCH];
	int batch_len;

	pthread_mutex_t lock;
	struct loop_timer *timers; /* sorted by deadline */
	bool armed;		   /* there are some; read without the lock */
	struct loop_call *calls, **calls_end;
	bool posted; /* there are some; read without the lock */
};

static void on_wake(void *opaque, uint32_t events)
{
	struct loop *loop = opaque;
	uint64_t count;

	(void)events;
	if (read(loop->wake.fd, &count, sizeof(count)) < 0)
		return; /* somebody's wake-up was handled already */
}

bool loop_elsewhere(const struct loop *loop)
{
	return __atomic_load_n(&loop->running, __ATOMIC_ACQUIRE) &&
	       !pthread_equal(loop->thread, pthread_self());
}

static bool running_here(const struct loop *loop)
{
	return __atomic_load_n(&loop->running, __ATOMIC_ACQUIRE) &&
	       pthread_equal(loop->thread, pthread_self());
}

/* The loop's own thread looks at everything before it sleeps. */
static void wake(struct loop *loop)
{
	uint64_t one = 1;

	if (running_here(loop))
		return;
	if (write(loop->wake.fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is awake */
}

int loop_new(struct loop **out, struct error *err)
{
	struct loop *loop;
	int rc;

	loop = calloc(1, sizeof(*loop));
	if (!loop)
		return error_sys(err, ENOMEM, "cannot make an event loop");
	pthread_mutex_init(&loop->lock, NULL);
	loop->calls_end = &loop->calls;
	loop->deferred_end = &loop->deferred;

	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0) {
		rc = error_sys(err, errno, "cannot make an epoll instance");
		goto err_free;
	}
	loop->wake.fn = on_wake;
	loop->wake.opaque = loop;
	loop->wake.events = EPOLLIN;
	loop->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake.fd < 0) {
		rc = error_sys(err, errno, "cannot make an eventfd");
		goto err_epfd;
	}
	rc = loop_fd_add(loop, &loop->wake);
	if (rc) {
		error_sys(err, -rc, "cannot watch an eventfd");
		goto err_wake;
	}
	*out = loop;
	return 0;

err_wake:
	close(loop->wake.fd);
err_epfd:
	close(loop->epfd);
err_free:
	pthread_mutex_destroy(&loop->lock);
	free(loop);
	return rc;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	close(loop->wake.fd);
	close(loop->epfd);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

uint64_t loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

int loop_fd_add(struct loop *loop, struct loop_fd *lfd)
{
	struct epoll_event ev = { .events = lfd->events, .data.ptr = lfd };

	lfd->always = false;
	if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, lfd->fd, &ev)) {
		if (errno != EPERM)
			return -errno;
		lfd->always = true;
		lfd->next_always = loop->always;
		loop->always = lfd;
	}
	lfd->added = true;
	return 0;
}

void loop_fd_set(struct loop *loop, struct loop_fd *lfd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = lfd };

	if (lfd->events == events)
		return;
	lfd->events = events;
	if (lfd->added && !lfd->always)
		epoll_ctl(loop->epfd, EPOLL_CTL_MOD, lfd->fd, &ev);
}

void loop_fd_del(struct loop *loop, struct loop_fd *lfd)
{
	struct loop_fd **p;
	int i;

	if (!lfd->added)
		return;
	lfd->added = false;
	if (lfd->always) {
		for (p = &loop->always; *p; p = &(*p)->next_always)
			if (*p == lfd) {
				*p = lfd->next_always;
				break;
			}
		return;
	}
	epoll_ctl(loop->epfd, EPOLL_CTL_DEL, lfd->fd, NULL);
	for (i = 0; i < loop->batch_len; i++)
		if (loop->batch[i].data.ptr == lfd)
			loop->batch[i].data.ptr = NULL;
}

static void timer_unlink(struct loop *loop, struct loop_timer *t)
{
	struct loop_timer **p;

	for (p = &loop->timers; *p; p = &(*p)->next)
		if (*p == t) {
			*p = t->next;
			break;
		}
	t->deadline = 0;
	__atomic_store_n(&loop->armed, loop->timers != NULL, __ATOMIC_RELAXED);
}

void loop_timer_arm(struct loop *loop, struct loop_timer *t, uint64_t deadline)
{
	struct loop_timer **p;
	bool first;

	pthread_mutex_lock(&loop->lock);
	if (t->deadline)
		timer_unlink(loop, t);
	t->deadline = deadline ? deadline : 1;
	for (p = &loop->timers; *p; p = &(*p)->next)
		if ((*p)->deadline > t->deadline)
			break;
	t->next = *p;
	*p = t;
	__atomic_store_n(&loop->armed, true, __ATOMIC_RELAXED);
	first = loop->timers == t;
	pthread_mutex_unlock(&loop->lock);
	if (first)
		wake(loop);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *t)
{
	pthread_mutex_lock(&loop->lock);
	if (t->deadline)
		timer_unlink(loop, t);
	pthread_mutex_unlock(&loop->lock);
}

void loop_post(struct loop *loop, struct loop_call *call)
{
	bool first;

	pthread_mutex_lock(&loop->lock);
	first = !loop->calls;
	if (!call->queued) {
		call->queued = true;
		call->next = NULL;
		*loop->calls_end = call;
		loop->calls_end = &call->next;
		__atomic_store_n(&loop->posted, true, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&loop->lock);
	if (first)
		wake(loop);
}

static void call_unlink(struct loop *loop, struct loop_call **p)
{
	struct loop_call *call = *p;

	*p = call->next;
	if (!*p)
		loop->calls_end = p;
	if (!loop->calls)
		__atomic_store_n(&loop->posted, false, __ATOMIC_RELAXED);
	call->queued = false;
}

void loop_unpost(struct loop *loop, struct loop_call *call)
{
	struct loop_call **p;

	pthread_mutex_lock(&loop->lock);
	for (p = &loop->calls; *p; p = &(*p)->next)
		if (*p == call) {
			call_unlink(loop, p);
			break;
		}
	pthread_mutex_unlock(&loop->lock);
}

struct sync {
	struct loop_call call;
	loop_fn fn;
	void *opaque;
	sem_t done;
};

static void on_sync(void *opaque)
{
	struct sync *sync = opaque;

	sync->fn(sync->opaque);
	sem_post(&sync->done);
}

void loop_sync(struct loop *loop, loop_fn fn, void *opaque)
{
	struct sync sync = {
		.call = { .fn = on_sync, .opaque = &sync },
		.fn = fn,
		.opaque = opaque,
	};

	if (!loop_elsewhere(loop)) {
		fn(opaque);
		return;
	}
	sem_init(&sync.done, 0, 0);
	loop_post(loop, &sync.call);
	while (sem_wait(&sync.done))
		;
	sem_destroy(&sync.done);
}

void loop_defer(struct loop *loop, struct loop_call *call)
{
	if (call->queued)
		return;
	call->queued = true;
	call->next = NULL;
	*loop->deferred_end = call;
	loop->deferred_end = &call->next;
}

static void deferred_unlink(struct loop *loop, struct loop_call **p)
{
	struct loop_call *call = *p;

	*p = call->next;
	if (!*p)
		loop->deferred_end = p;
	call->queued = false;
}

void loop_undefer(struct loop *loop, struct loop_call *call)
{
	struct loop_call **p;

	for (p = &loop->deferred; *p; p = &(*p)->next)
		if (*p == call) {
			deferred_unlink(loop, p);
			break;
		}
}

/* They may defer others. */
static void run_deferred(struct loop *loop)
{
	struct loop_call *call;

	while ((call = loop->deferred)) {
		deferred_unlink(loop, &loop->deferred);
		call->fn(call->opaque);
	}
}

/*
 * Whether there are calls, or timers; what another thread adds after the look
 * comes with a wake-up.
 */
static bool any_calls(const struct loop *loop)
{
	return __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);
}

static bool any_timers(const struct loop *loop)
{
	return __atomic_load_n(&loop->armed, __ATOMIC_RELAXED);
}

/* As many calls as were queued when it began, so that fds get their turn. */
static void run_calls(struct loop *loop)
{
	struct loop_call *call;
	unsigned int n = 0;

	if (!any_calls(loop))
		return;
	pthread_mutex_lock(&loop->lock);
	for (call = loop->calls; call; call = call->next)
		n++;
	while (n-- && loop->calls) {
		call = loop->calls;
		call_unlink(loop, &loop->calls);
		pthread_mutex_unlock(&loop->lock);
		call->fn(call->opaque);
		pthread_mutex_lock(&loop->lock);
	}
	pthread_mutex_unlock(&loop->lock);
}

static void run_timers(struct loop *loop)
{
	struct loop_timer *t;
	uint64_t now;

	if (!any_timers(loop))
		return;
	now = loop_now();
	pthread_mutex_lock(&loop->lock);
	while (loop->timers && loop->timers->deadline <= now) {
		t = loop->timers;
		timer_unlink(loop, t);
		pthread_mutex_unlock(&loop->lock);
		t->fn(t->opaque);
		pthread_mutex_lock(&loop->lock);
	}
	pthread_mutex_unlock(&loop->lock);
}

static void run_always(struct loop *loop)
{
	struct loop_fd *lfd, *next;

	for (lfd = loop->always; lfd; lfd = next) {
		next = lfd->next_always;
		if (lfd->events)
			lfd->fn(lfd->opaque, lfd->events);
	}
}

static bool any_always(const struct loop *loop)
{
	const struct loop_fd *lfd;

	for (lfd = loop->always; lfd; lfd = lfd->next_always)
		if (lfd->events)
			return true;
	return false;
}

/* How long to sleep: NULL for ever. */
static struct timespec *time_left(struct loop *loop, struct timespec *ts)
{
	uint64_t deadline, now;

	ts->tv_sec = 0;
	ts->tv_nsec = 0;
	if (any_calls(loop) || any_always(loop))
		return ts;
	if (!any_timers(loop))
		return NULL;
	pthread_mutex_lock(&loop->lock);
	deadline = loop->timers ? loop->timers->deadline : 0;
	pthread_mutex_unlock(&loop->lock);
	if (!deadline)
		return NULL;
	now = loop_now();
	if (deadline > now) {
		ts->tv_sec = (time_t)((deadline - now) / 1000000000ULL);
		ts->tv_nsec = (long)((deadline - now) % 1000000000ULL);
	}
	return ts;
}

/* ---- polling --------------------------------------------------------------- */

void loop_poll_max(struct loop *loop, uint64_t ns)
{
	loop->poll_max = ns;
	loop->poll_ns = 0;
}

void loop_poller_add(struct loop *loop, struct loop_poller *poller)
{
	poller->next = loop->pollers;
	loop->pollers = poller;
}

void loop_poller_del(struct loop *loop, struct loop_poller *poller)
{
	struct loop_poller **p;

	for (p = &loop->pollers; *p; p = &(*p)->next)
		if (*p == poller) {
			*p = poller->next;
			break;
		}
}

static bool poll_once(struct loop *loop)
{
	struct loop_poller *p;
	bool any = false;

	for (p = loop->pollers; p; p = p->next)
		any |= p->poll(p->opaque);
	/* What others have posted comes with a wake-up, but that is late. */
	return any || any_calls(loop) ||
	       __atomic_load_n(&loop->stop, __ATOMIC_ACQUIRE);
}

/* True if there was something, or may be: then it is no time to sleep. */
static bool poll_for(struct loop *loop, uint64_t since, uint64_t ns)
{
	struct loop_poller *p;
	bool any = false;

	for (p = loop->pollers; p; p = p->next)
		p->begin(p->opaque);
	do {
		any = poll_once(loop);
	} while (!any && loop_now() - since < ns);
	if (any)
		return true;
	for (p = loop->pollers; p; p = p->next)
		any |= p->end(p->opaque);
	return any;
}

/* @ns is how long it took until there was something. */
static void poll_adapt(struct loop *loop, uint64_t ns)
{
	if (ns <= loop->poll_ns)
		return;
	if (ns > loop->poll_max)
		loop->poll_ns = 0;
	else if (loop->poll_ns < POLL_FIRST)
		loop->poll_ns = POLL_FIRST;
	else
		loop->poll_ns *= 2;
	if (loop->poll_ns > loop->poll_max)
		loop->poll_ns = loop->poll_max;
}

/* Waits for events; their number, or -1 with errno. */
static int wait_events(struct loop *loop)
{
	struct timespec ts, *left = time_left(loop, &ts);
	uint64_t since, ns = loop->poll_ns;
	int n;

	if (!loop->poll_max || (left && !left->tv_sec && !left->tv_nsec))
		return epoll_pwait2(loop->epfd, loop->batch, LOOP_BATCH, left,
				    NULL);
	/* A timer that expires meanwhile is late by no more than that. */
	since = loop_now();
	if (ns && poll_for(loop, since, ns))
		return 0;
	n = epoll_pwait2(loop->epfd, loop->batch, LOOP_BATCH, left, NULL);
	poll_adapt(loop, loop_now() - since);
	return n;
}

int loop_run(struct loop *loop)
{
	struct loop_fd *lfd;
	int i, n, rc = 0;

	loop->thread = pthread_self();
	__atomic_store_n(&loop->running, true, __ATOMIC_RELEASE);
	run_deferred(loop);
	while (!__atomic_load_n(&loop->stop, __ATOMIC_ACQUIRE)) {
		n = wait_events(loop);
		if (n < 0 && errno != EINTR) {
			rc = -errno;
			break;
		}
		loop->batch_len = n > 0 ? n : 0;
		for (i = 0; i < loop->batch_len; i++) {
			lfd = loop->batch[i].data.ptr;
			if (lfd)
				lfd->fn(lfd->opaque, loop->batch[i].events);
		}
		loop->batch_len = 0;
		run_always(loop);
		run_timers(loop);
		run_calls(loop);
		run_deferred(loop);
	}
	__atomic_store_n(&loop->running, false, __ATOMIC_RELEASE);
	loop->stop = false;
	return rc;
}

void loop_stop(struct loop *loop)
{
	__atomic_store_n(&loop->stop, true, __ATOMIC_RELEASE);
	wake(loop);
}
