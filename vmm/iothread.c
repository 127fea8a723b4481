// SPDX-License-Identifier: GPL-2.0-or-later
#include "iothread.h"

#include <ctype.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "error.h"
#include "log.h"
#include "loop.h"
#include "thread.h"
#include "vm.h"

#define IOTHREAD_STACK (256U << 10)

struct hello {
	struct iothread *iothread;
	iothread_fn prepare;
	void *opaque;
	struct error *err;
	int rc;
	sem_t said;
};

static void *iothread_main(void *opaque)
{
	struct hello *hello = opaque;
	struct iothread *iothread = hello->iothread;
	int rc;

	/* By itself: of another thread, it is a file, which may be denied. */
	pthread_setname_np(pthread_self(), iothread->name);
	rc = hello->prepare(hello->opaque, hello->err);
	iothread->tid = sandbox_id(iothread->vm->ids);
	if (!rc) {
		rc = sandbox_thread(iothread->vm->cfg->sandbox, iothread->kind);
		if (rc)
			error_sys(hello->err, -rc, "cannot lock in %s",
				  iothread->name);
	}
	hello->rc = rc;
	sem_post(&hello->said);
	if (rc)
		return NULL;
	rc = loop_run(iothread->loop);
	if (rc)
		log_error(iothread->name, "the event loop failed: %s",
			  strerror(-rc));
	return NULL;
}

static int thread_make(struct iothread *iothread, struct hello *hello,
		       struct error *err)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, IOTHREAD_STACK);
	if (iothread->bound)
		pthread_attr_setaffinity_np(&attr, sizeof(iothread->cpus),
					    &iothread->cpus);
	rc = thread_create(&iothread->thread, &attr, iothread_main, hello);
	pthread_attr_destroy(&attr);
	if (rc)
		return error_sys(err, rc, "cannot start the thread %s%s",
				 iothread->name,
				 rc == EINVAL && iothread->bound ?
					 " on the processors asked for" :
					 "");
	return 0;
}

int iothread_start(struct iothread *iothread, iothread_fn prepare, void *opaque,
		   struct error *err)
{
	struct hello hello = {
		.iothread = iothread,
		.prepare = prepare,
		.opaque = opaque,
		.err = err,
	};
	int rc;

	sem_init(&hello.said, 0, 0);
	rc = thread_make(iothread, &hello, err);
	if (!rc) {
		while (sem_wait(&hello.said))
			;
		rc = hello.rc;
		if (rc)
			pthread_join(iothread->thread, NULL);
	}
	sem_destroy(&hello.said);
	iothread->started = !rc;
	return rc;
}

int iothread_new(struct iothread **out, struct vm *vm, const char *name,
		 const struct iothread_options *opt, struct error *err)
{
	struct iothread *iothread, **end;
	int rc;

	iothread = calloc(1, sizeof(*iothread));
	if (!iothread)
		return error_sys(err, ENOMEM, "cannot make an I/O thread");
	iothread->vm = vm;
	iothread->poll_max_ns = opt->poll_max_ns;
	iothread->kind = opt->kind;
	snprintf(iothread->name, sizeof(iothread->name), "%s", name);
	if (opt->cpus) {
		rc = cpu_list_parse(opt->cpus, &iothread->cpus, err);
		if (rc)
			goto err_free;
		iothread->bound = true;
	}
	rc = loop_new(&iothread->loop, err);
	if (rc)
		goto err_free;
	loop_poll_max(iothread->loop, opt->poll_max_ns);

	for (end = &vm->iothreads; *end; end = &(*end)->next)
		;
	*end = iothread;
	*out = iothread;
	return 0;

err_free:
	free(iothread);
	return rc;
}

void iothread_end(struct iothread *iothread)
{
	struct iothread **p;

	if (iothread->started) {
		loop_stop(iothread->loop);
		pthread_join(iothread->thread, NULL);
		iothread->started = false;
	}
	for (p = &iothread->vm->iothreads; *p; p = &(*p)->next)
		if (*p == iothread) {
			*p = iothread->next;
			break;
		}
}

void iothread_free(struct iothread *iothread)
{
	loop_free(iothread->loop);
	free(iothread);
}

/* A number of a processor at *@p, or -1. */
static long cpu_number(const char **p)
{
	char *end;
	long n;

	if (!isdigit((unsigned char)**p))
		return -1;
	n = strtol(*p, &end, 10);
	*p = end;
	return n < CPU_SETSIZE ? n : -1;
}

int cpu_list_parse(const char *text, cpu_set_t *cpus, struct error *err)
{
	const char *p = text;
	long first, last;

	CPU_ZERO(cpus);
	for (;;) {
		first = cpu_number(&p);
		last = first;
		if (first >= 0 && *p == '-') {
			p++;
			last = cpu_number(&p);
		}
		if (first < 0 || last < first || (*p && *p != ':' && *p != ','))
			return error_set(err, EINVAL,
					 "%s is no list of processors (such as "
					 "0-3:8)",
					 text);
		while (first <= last)
			CPU_SET((size_t)first++, cpus);
		if (!*p++)
			return 0;
	}
}
