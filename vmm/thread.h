/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads beside the main one. */
#ifndef VIREO_THREAD_H
#define VIREO_THREAD_H

#include <pthread.h>

/*
 * As pthread_create(3).  Signals are the main thread's, but those that a thread
 * has brought upon itself.
 */
int thread_create(pthread_t *thread, const pthread_attr_t *attr,
		  void *(*fn)(void *opaque), void *opaque);

#endif
