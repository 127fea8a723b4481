// SPDX-License-Identifier: GPL-2.0
/*
 * Opening and closing pages of a memory object: see mem.h for the rule.
 */
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/slab.h>

#include "compat.h"
#include "mem.h"

/*
 * Folios that are closed at a time.  All are locked meanwhile, and each time the
 * page tables' other users (KVM) are told once.
 */
#define CLOSE_BATCH 1024

/*
 * Pages that lie this far apart are not closed at a time: walking what is
 * between them costs more.
 */
#define CLOSE_GAP 4096

/**
 * vireo_mem_lock_folio() - lock the folio that has a page, if it is in memory
 * @mem: the object
 * @index: the page
 *
 * Return: the folio, locked and with a reference, or NULL.
 */
struct folio *vireo_mem_lock_folio(struct vireo_mem *mem, pgoff_t index)
{
	for (;;) {
		struct folio *folio = vireo_find_folio(mem->mapping, index);

		if (!folio)
			return NULL;
		folio_lock(folio);
		/* Else it was truncated, or replaced. */
		if (likely(folio->mapping == mem->mapping &&
			   folio_contains(folio, index)))
			return folio;
		folio_unlock(folio);
		folio_put(folio);
	}
}

/**
 * vireo_mem_record() - let the trackers record pages that are about to change
 * @mem: the object; the caller holds its gate
 * @folio: what has them; locked
 * @first: first page
 * @nr: pages, of that folio
 *
 * A snapshot that cannot keep one has failed.  After this no mapping of a
 * snapshot shows these pages.
 */
void vireo_mem_record(struct vireo_mem *mem, struct folio *folio, pgoff_t first,
		      pgoff_t nr)
{
	struct vireo_snapshot *s;
	struct vireo_log *log;
	bool lent = false;
	pgoff_t i;

	list_for_each_entry(s, &mem->snapshots, link)
		for (i = first; i < first + nr; i++)
			vireo_snapshot_keep(s, i,
					    folio_page(folio,
						       i - folio->index));
	list_for_each_entry(log, &mem->logs, link)
		vireo_log_mark(log, first, nr);

	if (!mem->lent)
		return;
	for (i = first; i < first + nr; i++)
		lent |= test_and_clear_bit(i, mem->lent);
	/* Faults wait for the folio's lock, and find the copy then. */
	if (lent)
		unmap_mapping_range(mem->mapping, (loff_t)first << PAGE_SHIFT,
				    (loff_t)nr << PAGE_SHIFT, 0);
}

/**
 * vireo_mem_open() - let pages be written
 * @mem: the object; the caller holds its gate
 * @folio: what has them; locked
 * @first: first page
 * @nr: pages, of that folio
 *
 * Until the folio is unlocked, the caller may map them writable or take a
 * reference in order to write.
 */
void vireo_mem_open(struct vireo_mem *mem, struct folio *folio, pgoff_t first,
		    pgoff_t nr)
{
	pgoff_t i, opened = 0;

	for (i = first; i < first + nr; i++)
		opened += !test_bit(i, mem->open);
	if (!opened)
		return;

	/* What some of them have recorded already they do not record again. */
	vireo_mem_record(mem, folio, first, nr);
	for (i = first; i < first + nr; i++)
		set_bit(i, mem->open);
	atomic64_add(opened, &mem->stats.dirtied);
}

/*
 * Whether somebody but page tables, the page cache and the caller holds it: for
 * I/O, or only in passing, which cannot be told apart.  One that is on no list
 * for reclaim is on its way to or from one, with a reference that means nothing.
 */
static bool is_held(struct folio *folio)
{
	return folio_ref_count(folio) - !folio_test_lru(folio) >
	       folio_nr_pages(folio) + vireo_folio_mapcount(folio) + 1;
}

/* The next page at or behind @from that is open, or @end. */
static pgoff_t next_open(const struct vireo_mem *mem, pgoff_t from, pgoff_t end)
{
	return from < end ? find_next_bit(mem->open, end, from) : end;
}

/* Locks what @xas has come to, if nobody else has it locked. */
static bool try_lock(struct vireo_mem *mem, struct xa_state *xas,
		     struct folio *folio)
{
	if (!folio_try_get(folio))
		return false;
	if (likely(folio == xas_reload(xas) && folio_trylock(folio))) {
		if (likely(folio->mapping == mem->mapping))
			return true;
		folio_unlock(folio);
	}
	folio_put(folio);
	return false;
}

/*
 * Locks the folios of open pages from *@from on, until @batch is full or there
 * are no more nearby, and sets *@from to where it got: no other page before that
 * is open and in memory.
 */
static unsigned int lock_batch(struct vireo_mem *mem, pgoff_t *from,
			       pgoff_t end, struct folio **batch)
{
	XA_STATE(xas, &mem->mapping->i_pages, next_open(mem, *from, end));
	struct folio *folio;
	unsigned int n = 0;
	pgoff_t open = end;

	rcu_read_lock();
	xas_for_each(&xas, folio, end - 1)
	{
		pgoff_t index = xas.xa_index;

		if (xas_retry(&xas, folio) || xa_is_value(folio))
			continue;
		open = next_open(mem, index, end);
		if (n == CLOSE_BATCH || open == end ||
		    (n && open - index > CLOSE_GAP))
			goto out;
		if (open >= index + folio_nr_pages(folio)) {
			xas_set(&xas, open);
			continue;
		}
		if (!try_lock(mem, &xas, folio)) {
			if (n)
				goto out;
			rcu_read_unlock();
			folio = vireo_mem_lock_folio(mem, index);
			if (folio)
				batch[n++] = folio;
			*from = folio ? folio->index + folio_nr_pages(folio) :
					index + 1;
			return n;
		}
		batch[n++] = folio;
	}
	open = end;
out:
	rcu_read_unlock();
	*from = open;
	return n;
}

static pgoff_t count_open(const struct vireo_mem *mem, pgoff_t first,
			  pgoff_t nr)
{
	pgoff_t i, n = 0;

	for (i = first; i < first + nr; i++)
		n += test_bit(i, mem->open);
	return n;
}

/*
 * Closes what is in the batch, which is what is in memory of [from, to).
 * Return: pages that were open.
 */
static pgoff_t close_batch(struct vireo_mem *mem, struct folio **batch,
			   unsigned int n, pgoff_t from, pgoff_t to,
			   vireo_held_fn held, void *tracker)
{
	pgoff_t i, first = batch[0]->index, closed = 0;
	struct folio *last = batch[n - 1];
	unsigned int k;

	/* The walk below passes over huge entries. */
	for (k = 0; k < n; k++)
		if (folio_test_large(batch[k]))
			folio_mkclean(batch[k]);
	vireo_write_protect(mem->mapping, first,
			    last->index + folio_nr_pages(last) - first,
			    mem->open);

	/* What is open and not in memory is mapped nowhere. */
	for (k = 0; k < n; k++) {
		struct folio *folio = batch[k];
		pgoff_t nr = folio_nr_pages(folio), end = folio->index + nr;

		closed += nr > 1 ? count_open(mem, folio->index, nr) : 1;
		if (unlikely(is_held(folio))) {
			if (from < folio->index)
				bitmap_clear(mem->open, from,
					     folio->index - from);
			/* Only what was open: see the rule. */
			for (i = next_open(mem, folio->index, end); i < end;
			     i = next_open(mem, i + 1, end))
				held(tracker, i,
				     folio_page(folio, i - folio->index));
			from = end;
		}
		folio_unlock(folio);
		folio_put(folio);
	}
	if (from < to)
		bitmap_clear(mem->open, from, to - from);
	return closed;
}

/**
 * vireo_mem_close() - take back the permission to write
 * @mem: the object; the caller holds its gate for writing
 * @first: first page; of a huge page, as is @end
 * @end: behind the last, or the end of the object
 * @held: called for each page that somebody else holds, and that stays open
 * @tracker: for it
 *
 * Return: pages that were open, or -ENOMEM: then none was closed.
 */
long vireo_mem_close(struct vireo_mem *mem, pgoff_t first, pgoff_t end,
		     vireo_held_fn held, void *tracker)
{
	struct folio **batch;
	long closed = 0;
	unsigned int n;
	pgoff_t to;

	lockdep_assert_held_write(&mem->gate);

	if (next_open(mem, first, end) == end)
		return 0;
	batch = kvmalloc_array(CLOSE_BATCH, sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	for (to = first; first < end; first = to) {
		n = lock_batch(mem, &to, end, batch);
		if (n)
			closed += close_batch(mem, batch, n, first, to, held,
					      tracker);
		else
			bitmap_clear(mem->open, first, to - first);
		cond_resched();
	}
	kvfree(batch);
	return closed;
}
