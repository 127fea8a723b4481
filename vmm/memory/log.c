// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Logs of memory that keeps none.  There are two sources: the accelerator's log
 * of what vCPUs write, and mem->own_log, in which the VMM marks what it writes
 * itself.  Both forget what was taken from them, so what is taken goes to
 * all logs, and waits in each until its owner asks.
 *
 * mem->lock is held but where it says otherwise.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../accel.h"
#include "../error.h"
#include "backend.h"

#define WORD_PAGES 64ULL
#define WORD_BYTES (WORD_PAGES * MEM_PAGE)

_Static_assert(!(RAM_LOW_MAX % WORD_BYTES), "a word lies in one block");

static uint64_t nr_words(uint64_t bytes)
{
	return (bytes + WORD_BYTES - 1) / WORD_BYTES;
}

/* Bits @first to @last of a word. */
static uint64_t bits(uint64_t first, uint64_t last)
{
	return (~0ULL << first) & (~0ULL >> (63 - last));
}

/* From any thread, without the lock. */
void mem_mark(const struct mem *mem, uint64_t offset, uint64_t len)
{
	uint64_t page = offset / MEM_PAGE, last, end;

	if (!len)
		return;
	last = (offset + len - 1) / MEM_PAGE;
	for (; page <= last; page = end + 1) {
		end = page | (WORD_PAGES - 1);
		if (end > last)
			end = last;
		/*
		 * Even if the bits are set: the data is stored before them for
		 * who takes them.
		 */
		__atomic_fetch_or(&mem->own_log[page / WORD_PAGES],
				  bits(page % WORD_PAGES, end % WORD_PAGES),
				  __ATOMIC_SEQ_CST);
	}
}

/* Where the host has no log of its guest's writes, there is no guest either. */
static int log_guest(struct mem *mem, bool on, struct error *err)
{
	const struct mem_block *b;
	unsigned int i;
	int rc;

	if (!mem->accel)
		return 0;
	if (!mem->accel->ops->fetch_log)
		return error_set(err, EOPNOTSUPP,
				 "cannot log the guest's writes");
	for (i = 0; i < mem->nr_blocks; i++) {
		b = &mem->blocks[i];
		rc = mem->accel->ops->set_memory(mem->accel, i, b->gpa, b->len,
						 b->hva,
						 on ? ACCEL_MEM_LOG : 0);
		if (rc && on) {
			error_sys(err, -rc, "cannot log the guest's writes");
			log_guest(mem, false, NULL);
			return rc;
		}
	}
	return 0;
}

/*
 * Lets all threads see that logging is on: each has then stored what it wrote
 * before, or will mark it.  A barrier beside each write would be dear.
 */
static void make_known(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0,
		0);
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

static int first_log(struct mem *mem, struct error *err)
{
	uint64_t words = nr_words(mem->size);
	int rc;

	if (!mem->own_log)
		mem->own_log = calloc(words, sizeof(uint64_t));
	else
		memset(mem->own_log, 0, words * sizeof(uint64_t));
	if (!mem->own_log)
		return error_sys(err, ENOMEM, "cannot log writes to memory");
	__atomic_store_n(&mem->logging, true, __ATOMIC_SEQ_CST);
	make_known();
	rc = log_guest(mem, true, err);
	if (rc)
		__atomic_store_n(&mem->logging, false, __ATOMIC_RELAXED);
	return rc;
}

static void give(struct mem *mem, uint64_t word, uint64_t pages)
{
	struct mem_log *log;

	for (log = mem->logs; pages && log; log = log->next)
		log->pending[word] |= pages;
}

static int collect_guest(struct mem *mem, unsigned int slot, uint64_t start,
			 uint64_t end)
{
	const struct mem_block *b = &mem->blocks[slot];
	uint64_t base = b->fd_offset / WORD_BYTES, words = nr_words(b->len), i;
	uint64_t *bitmap;
	int rc;

	if (start < b->fd_offset)
		start = b->fd_offset;
	if (end > b->fd_offset + b->len)
		end = b->fd_offset + b->len;
	if (start >= end)
		return 0;
	bitmap = calloc(words, sizeof(*bitmap));
	if (!bitmap)
		return -ENOMEM;
	rc = mem->accel->ops->fetch_log(mem->accel, slot,
					(start - b->fd_offset) / MEM_PAGE,
					(end - start) / MEM_PAGE, bitmap);
	for (i = 0; !rc && i < words; i++)
		give(mem, base + i, bitmap[i]);
	free(bitmap);
	return rc;
}

/* Takes what is new in [start, end), whole words, for all logs. */
static int collect(struct mem *mem, uint64_t start, uint64_t end)
{
	uint64_t word;
	unsigned int i;
	int rc = 0;

	for (word = start / WORD_BYTES; word < nr_words(end); word++)
		if (__atomic_load_n(&mem->own_log[word], __ATOMIC_RELAXED))
			give(mem, word,
			     __atomic_exchange_n(&mem->own_log[word], 0,
						 __ATOMIC_SEQ_CST));
	for (i = 0; !rc && mem->accel && i < mem->nr_blocks; i++)
		rc = collect_guest(mem, i, start, end);
	return rc;
}

int own_log_start(struct mem_log *log, struct error *err)
{
	struct mem *mem = log->mem;
	int rc;

	log->pending = calloc(nr_words(mem->size), sizeof(uint64_t));
	if (!log->pending)
		return error_sys(err, ENOMEM, "cannot log writes to memory");
	if (!mem->logs) {
		rc = first_log(mem, err);
	} else {
		/* What was written so far is only for those that there are. */
		rc = collect(mem, 0, mem->size);
		if (rc)
			error_sys(err, -rc, "cannot log writes to memory");
	}
	if (rc) {
		free(log->pending);
		return rc;
	}
	log->next = mem->logs;
	mem->logs = log;
	return 0;
}

int64_t own_log_fetch(struct mem_log *log, uint64_t start, uint64_t len,
		      uint64_t *bitmap)
{
	uint64_t end = start + nr_words(len) * WORD_BYTES;
	uint64_t *from = log->pending + start / WORD_BYTES;
	uint64_t i, mask, left = len / MEM_PAGE;
	int64_t count = 0;
	int rc;

	rc = collect(log->mem, start,
		     end < log->mem->size ? end : log->mem->size);
	if (rc)
		return rc;
	for (i = 0; left; i++) {
		mask = left < WORD_PAGES ? bits(0, left - 1) : ~0ULL;
		bitmap[i] = from[i] & mask;
		from[i] &= ~mask;
		count += __builtin_popcountll(bitmap[i]);
		left -= left < WORD_PAGES ? left : WORD_PAGES;
	}
	return count;
}

void own_log_stop(struct mem_log *log)
{
	struct mem *mem = log->mem;
	struct mem_log **p = &mem->logs;

	while (*p != log)
		p = &(*p)->next;
	*p = log->next;
	free(log->pending);
	if (mem->logs)
		return;
	/* own_log stays: somebody may be marking still. */
	__atomic_store_n(&mem->logging, false, __ATOMIC_RELAXED);
	log_guest(mem, false, NULL);
}
