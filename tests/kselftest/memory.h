/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of memory objects share: the ioctls, looking at what a log
 * gives, a guest that has an object, files to do I/O with, swap.  Functions
 * give -errno on failure unless they say otherwise.
 */
#ifndef VIREO_KSELFTEST_MEMORY_H
#define VIREO_KSELFTEST_MEMORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vireo.h>

#include "guest.h"

#define PAGE VIREO_MEM_PAGE_SIZE
#define HUGE VIREO_MEM_HUGE_SIZE
/* Where a guest has an object. */
#define GUEST_OBJECT 0x10000000U

/* ---- ioctls -------------------------------------------------------------- */

int mem_create(int dev, uint64_t bytes, uint32_t flags);
struct vireo_mem_create mem_template(uint64_t bytes);
/* Shared, to read and write; NULL on failure. */
uint8_t *mem_map(int mem, size_t bytes);
/* Likewise, where huge pages fit, whatever the object is. */
uint8_t *mem_map_aligned(int mem, size_t bytes);
/*
 * What a test begins and ends with: the device, an object of so many bytes, and
 * all of it mapped.
 */
int object_open(int *dev, int *mem, uint8_t **p, size_t bytes);
void object_close(int dev, int mem, uint8_t *p, size_t bytes);
int mem_log(int mem);
int mem_snapshot(int mem, uint64_t limit);
int mem_prefault(int mem, uint64_t start, uint64_t len);
int mem_discard(int mem, uint64_t start, uint64_t len);
/* All 0 on failure. */
struct vireo_mem_stat mem_stat(int mem);
struct vireo_snapshot_stat snapshot_stat(int snapshot);
/* VIREO_MEM_MAP of all of an object, of so many bytes. */
int mem_tell(int vm, int mem, uint64_t gpa, uint64_t len, uint32_t flags);

/* ---- logs ---------------------------------------------------------------- */

/* What was taken from a log, of objects of at most 64 MiB. */
#define DIRTY_PAGES 16384
struct dirty {
	uint64_t map[DIRTY_PAGES / 64];
	uint64_t huge[DIRTY_PAGES / 512 / 64 + 1];
	uint64_t pages;
};

static inline bool dirty_page(const struct dirty *d, size_t page)
{
	return d->map[page / 64] >> (page % 64) & 1;
}

static inline bool dirty_huge(const struct dirty *d, size_t page)
{
	return d->huge[page / 64] >> (page % 64) & 1;
}

/*
 * The kernel holds pages in passing, in batches for the lists of reclaim, which
 * cannot be told from I/O: this empties the batches.
 */
void settle(void);
int log_fetch(int log, struct dirty *d, uint64_t start, uint64_t len,
	      uint32_t flags);
/* All of an object of so many bytes: pages that were dirty, or -errno. */
long log_take(int log, struct dirty *d, uint64_t bytes);
/*
 * Settles and takes all; whether it is exactly these pages, ended by -1; what is else is
 * printed.
 */
bool log_is(int log, uint64_t bytes, const int *pages);
#define LOG_IS(log, bytes, ...) \
	log_is(log, bytes, (const int[]){ 0, ##__VA_ARGS__, -1 } + 1)

/* ---- contents ------------------------------------------------------------ */

/* Every word of a page says which page it is and in which version. */
void page_fill(void *page, size_t number, uint64_t version);
bool page_is(const void *page, size_t number, uint64_t version);
bool page_is_zero(const void *page);

/* ---- a guest ------------------------------------------------------------- */

/* The guest's memory at GUEST_OBJECT is what the process has there. */
int guest_map_object(struct guest *g, void *at, size_t bytes);
/* A vCPU stores 8 bytes into the object; 0 or -errno. */
int guest_store(struct guest *g, uint64_t offset, uint64_t value);

/* ---- what I/O needs ------------------------------------------------------ */

/* A loop device of so many bytes, all of them fill, opened with O_DIRECT. */
int direct_open(size_t bytes, uint8_t fill);

/* A disk whose requests wait until the test says otherwise (nbd). */
struct slow_disk {
	int fd;		/* opened with O_DIRECT */
	int sock;
	int control;
	pthread_t serve, run;
	int waiting;	/* requests that came */
	int open;	/* requests that may be answered */
};

int slow_open(struct slow_disk *d, uint8_t fill);
/* Until so many requests have come; false if they do not. */
bool slow_wait(struct slow_disk *d, int requests);
/* Lets so many requests end, in all. */
void slow_answer(struct slow_disk *d, int requests);
void slow_close(struct slow_disk *d);

/* Swap of so many bytes, on a device whose path it tells; 0 or -errno. */
#define SWAP_PATH 32
int swap_add(char path[SWAP_PATH], size_t bytes);
void swap_remove(const char *path);
/* Brings a range of a mapping to swap; whether all of it is there. */
bool swap_out(int mem, void *at, size_t bytes);

/* Another process, which shares only descriptors: the status it ends with. */
int in_child(int (*fn)(void *arg), void *arg);

#endif
