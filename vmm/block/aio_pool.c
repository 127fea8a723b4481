// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads that carry out requests with blocking system calls.  All are made at
 * once: later the process may not be allowed to.
 *
 * Locks:
 *   pool.lock   mutex   todo, done, idle, quit, begun and failed; nothing is
 *                       done under it
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../error.h"
#include "../thread.h"
#include "aio_engine.h"

struct aio_pool {
	struct aio *aio;
	struct loop_fd event; /* something is in done */
	pthread_mutex_t lock;
	pthread_cond_t cond; /* todo has grown, or quit */
	struct aio_list todo;
	struct aio_list done;
	bool any;	   /* of done, to look at without the lock; atomic */
	unsigned int idle; /* threads that wait, less those that were woken */
	bool quit;
	pthread_cond_t said; /* begun has grown */
	unsigned int begun;  /* threads that are locked in, or failed to be */
	int failed;	     /* -errno of one of those */
	unsigned int nr;
	pthread_t threads[];
};

static void *work(void *opaque)
{
	struct aio_pool *pool = opaque;
	struct aio_req *req;
	uint64_t one = 1;
	bool first;
	int rc;

	pthread_setname_np(pthread_self(), "aio-worker");
	rc = sandbox_thread(pool->aio->sandbox, SANDBOX_IO);
	pthread_mutex_lock(&pool->lock);
	pool->begun++;
	if (rc)
		pool->failed = rc;
	pthread_cond_signal(&pool->said);
	for (;;) {
		while (!pool->todo.first && !pool->quit) {
			pool->idle++;
			pthread_cond_wait(&pool->cond, &pool->lock);
		}
		req = aio_list_take(&pool->todo);
		if (!req)
			break;
		pthread_mutex_unlock(&pool->lock);
		req->ret = aio_sync(req);
		pthread_mutex_lock(&pool->lock);
		first = !pool->done.first;
		aio_list_add(&pool->done, req);
		__atomic_store_n(&pool->any, true, __ATOMIC_RELAXED);
		/* Full, that is, not read for long, it wakes all the same. */
		if (first &&
		    write(pool->event.fd, &one, sizeof(one)) != sizeof(one))
			continue;
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

void aio_pool_start(struct aio_pool *pool, struct aio_list *list)
{
	struct aio_req *req;
	unsigned int wake = 0;

	pthread_mutex_lock(&pool->lock);
	for (req = list->first; req && wake < pool->idle; req = req->next)
		wake++;
	pool->idle -= wake;
	aio_list_join(&pool->todo, list);
	pthread_mutex_unlock(&pool->lock);
	while (wake--)
		pthread_cond_signal(&pool->cond);
}

bool aio_pool_reap(struct aio_pool *pool)
{
	struct aio_list done;
	struct aio_req *req;

	/* A look without the lock: what it misses has its event to come. */
	if (!__atomic_load_n(&pool->any, __ATOMIC_RELAXED))
		return false;
	aio_list_init(&done);
	pthread_mutex_lock(&pool->lock);
	aio_list_join(&done, &pool->done);
	__atomic_store_n(&pool->any, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&pool->lock);
	while ((req = aio_list_take(&done)))
		aio_done(pool->aio, req, req->ret);
	return true;
}

int aio_pool_fd(const struct aio_pool *pool)
{
	return pool->event.fd;
}

static void on_event(void *opaque, uint32_t events)
{
	struct aio_pool *pool = opaque;

	(void)events;
	aio_poll(pool->aio);
}

static void threads_end(struct aio_pool *pool)
{
	unsigned int i;

	pthread_mutex_lock(&pool->lock);
	pool->quit = true;
	pthread_mutex_unlock(&pool->lock);
	pthread_cond_broadcast(&pool->cond);
	for (i = 0; i < pool->nr; i++)
		pthread_join(pool->threads[i], NULL);
}

static int threads_make(struct aio_pool *pool, unsigned int nr)
{
	int rc = 0;

	while (pool->nr < nr && !rc) {
		rc = thread_create(&pool->threads[pool->nr], NULL, work, pool);
		if (!rc)
			pool->nr++;
	}
	if (!pool->nr)
		return -rc;
	pthread_mutex_lock(&pool->lock);
	while (pool->begun < pool->nr)
		pthread_cond_wait(&pool->said, &pool->lock);
	rc = pool->failed;
	pthread_mutex_unlock(&pool->lock);
	if (rc)
		threads_end(pool);
	return rc;
}

int aio_pool_open(struct aio *aio, unsigned int threads, struct error *err)
{
	struct aio_pool *pool;
	int rc;

	pool = calloc(1, sizeof(*pool) + threads * sizeof(*pool->threads));
	if (!pool)
		return error_sys(err, ENOMEM, "cannot set up I/O");
	pool->aio = aio;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->cond, NULL);
	pthread_cond_init(&pool->said, NULL);
	aio_list_init(&pool->todo);
	aio_list_init(&pool->done);
	pool->event = (struct loop_fd){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.events = EPOLLIN | EPOLLET,
		.fn = on_event,
		.opaque = pool,
	};
	if (pool->event.fd < 0) {
		rc = error_sys(err, errno, "cannot make an eventfd");
		goto err_free;
	}
	rc = loop_fd_add(aio->loop, &pool->event);
	if (rc) {
		error_sys(err, -rc, "cannot watch an eventfd");
		goto err_event;
	}
	rc = threads_make(pool, threads);
	if (rc) {
		error_sys(err, -rc, "cannot make a thread for I/O");
		goto err_del;
	}
	aio->pool = pool;
	return 0;

err_del:
	loop_fd_del(aio->loop, &pool->event);
err_event:
	close(pool->event.fd);
err_free:
	pthread_cond_destroy(&pool->said);
	pthread_cond_destroy(&pool->cond);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
	return rc;
}

void aio_pool_close(struct aio_pool *pool)
{
	threads_end(pool);
	loop_fd_del(pool->aio->loop, &pool->event);
	close(pool->event.fd);
	pthread_cond_destroy(&pool->said);
	pthread_cond_destroy(&pool->cond);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}
