// SPDX-License-Identifier: GPL-2.0-or-later
/* Makes all pages of guest memory before the guest needs them. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../error.h"
#include "../log.h"
#include "backend.h"

#define MIB (1ULL << 20)
/* A thread's share at a time: enough to forget what asking for it costs. */
#define CHUNK (64 * MIB)
/* Found out: more gain little, since clearing pages is bound by memory. */
#define AUTO_THREADS 16

/* All but mem is under lock. */
struct prefault {
	const struct mem *mem;
	pthread_mutex_t lock;
	uint64_t next; /* where the next chunk begins */
	uint64_t done; /* bytes */
	int error;     /* the first one; ends it */
};

int mem_populate(const struct mem *mem, uint64_t offset, uint64_t len)
{
	int rc;

	do
		rc = madvise(mem->base + offset, len, MADV_POPULATE_WRITE);
	while (rc && errno == EINTR);
	if (!rc)
		return 0;
	/* What would have been a SIGBUS: no page could be had. */
	return errno == EFAULT ? -ENOMEM : -errno;
}

static bool take_chunk(struct prefault *p, uint64_t *offset, uint64_t *len)
{
	bool more;

	pthread_mutex_lock(&p->lock);
	more = !p->error && p->next < p->mem->size;
	if (more) {
		*offset = p->next;
		*len = p->mem->size - p->next;
		if (*len > CHUNK)
			*len = CHUNK;
		p->next += *len;
	}
	pthread_mutex_unlock(&p->lock);
	return more;
}

/* A line for each tenth. */
static void chunk_done(struct prefault *p, uint64_t len, int rc)
{
	uint64_t size = p->mem->size, tenths;

	pthread_mutex_lock(&p->lock);
	if (rc) {
		if (!p->error)
			p->error = rc;
	} else {
		tenths = p->done * 10 / size;
		p->done += len;
		if (p->done * 10 / size != tenths)
			log_info("memory", "prefaulted %llu of %llu MiB",
				 (unsigned long long)(p->done / MIB),
				 (unsigned long long)(size / MIB));
	}
	pthread_mutex_unlock(&p->lock);
}

static void *prefault_main(void *opaque)
{
	struct prefault *p = opaque;
	uint64_t offset, len;

	while (take_chunk(p, &offset, &len))
		chunk_done(p, len,
			   p->mem->backend->prefault(p->mem, offset, len));
	return NULL;
}

static unsigned int how_many(const struct mem *mem, unsigned int asked)
{
	uint64_t chunks = (mem->size + CHUNK - 1) / CHUNK;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (asked > MEM_MAX_PREFAULT) {
		asked = cpus > 1 ? (unsigned int)cpus : 1;
		if (asked > AUTO_THREADS)
			asked = AUTO_THREADS;
	}
	return asked < chunks ? asked : (unsigned int)chunks;
}

int mem_prefault(const struct mem *mem, unsigned int threads, struct error *err)
{
	struct prefault p = { .mem = mem };
	pthread_t helpers[MEM_MAX_PREFAULT];
	unsigned int nr = how_many(mem, threads), started = 0;

	pthread_mutex_init(&p.lock, NULL);
	/* This thread is one of them, and enough if there are no others. */
	while (started + 1 < nr &&
	       !pthread_create(&helpers[started], NULL, prefault_main, &p))
		started++;
	prefault_main(&p);
	while (started)
		pthread_join(helpers[--started], NULL);
	pthread_mutex_destroy(&p.lock);
	if (!p.error)
		return 0;
	return error_set(err, -p.error,
			 "cannot prefault guest memory: %s after %llu of %llu MiB",
			 strerror(-p.error), (unsigned long long)(p.done / MIB),
			 (unsigned long long)(mem->size / MIB));
}
