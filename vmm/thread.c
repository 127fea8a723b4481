// SPDX-License-Identifier: GPL-2.0-or-later
#include "thread.h"

#include <signal.h>

int thread_create(pthread_t *thread, const pthread_attr_t *attr,
		  void *(*fn)(void *opaque), void *opaque)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(thread, attr, fn, opaque);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}
