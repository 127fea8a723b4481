// SPDX-License-Identifier: GPL-2.0
/*
 * What is done to a range of a memory object as a whole: prefault, discard,
 * and what the object is made of.
 */
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/shmem_fs.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "mem.h"

/* Pages that are discarded with the gate held. */
#define DISCARD_CHUNK VIREO_HUGE_PAGES

static bool range_ok(const struct vireo_mem *mem,
		     const struct vireo_mem_range *range)
{
	u64 bytes = (u64)mem->nr_pages << PAGE_SHIFT;

	return !range->flags && range->len && PAGE_ALIGNED(range->start) &&
	       PAGE_ALIGNED(range->len) && range->start < bytes &&
	       range->len <= bytes - range->start;
}

static int put_done(void __user *uarg, u64 done)
{
	struct vireo_mem_range __user *range = uarg;

	return put_user(done, &range->done) ? -EFAULT : 0;
}

/**
 * vireo_mem_prefault() - VIREO_MEM_PREFAULT
 * @object: the memory object's file
 * @arg: struct vireo_mem_range
 * @uarg: gets done
 *
 * Return: 0 or a negative errno.
 */
long vireo_mem_prefault(void *object, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_mem_range *range = &arg->mem_range;
	struct vireo_mem *mem = vireo_mem_of(object);
	pgoff_t first, end, i;
	int ret = 0;

	if (!range_ok(mem, range))
		return -EINVAL;
	first = range->start >> PAGE_SHIFT;
	end = first + (range->len >> PAGE_SHIFT);

	for (i = first; i < end;) {
		struct folio *folio;
		struct page *page;

		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		page = vireo_mem_page(mem, i, false);
		if (IS_ERR(page)) {
			ret = PTR_ERR(page);
			break;
		}
		folio = page_folio(page);
		i = i - folio_page_idx(folio, page) + folio_nr_pages(folio);
		folio_put(folio);
		cond_resched();
	}

	if (put_done(uarg, (u64)(min(i, end) - first) << PAGE_SHIFT))
		return -EFAULT;
	return ret;
}

/* The first page from @index on, below @end, that is in memory or swap. */
static pgoff_t next_present(struct vireo_mem *mem, pgoff_t index, pgoff_t end)
{
	XA_STATE(xas, &mem->mapping->i_pages, index);
	void *entry;

	rcu_read_lock();
	do
		entry = xas_find(&xas, end - 1);
	while (xas_retry(&xas, entry));
	rcu_read_unlock();
	/* A large folio is found at its first page, maybe below @index. */
	return entry ? max(xas.xa_index, index) : end;
}

/*
 * Lets the trackers have what is about to go; the caller holds the gate.
 * Pages that come after the look are zero, as what they replace.
 */
static int record_present(struct vireo_mem *mem, pgoff_t first, pgoff_t end,
			  u64 *pages)
{
	pgoff_t i;

	for (i = next_present(mem, first, end); i < end;
	     i = next_present(mem, i, end)) {
		struct folio *folio;
		struct page *page;
		pgoff_t nr;

		page = vireo_mem_page(mem, i, false); /* swaps it in */
		if (IS_ERR(page))
			return PTR_ERR(page);
		put_page(page);
		folio = vireo_mem_lock_folio(mem, i);
		if (!folio)
			continue;
		nr = min(end, folio->index + folio_nr_pages(folio)) - i;
		vireo_mem_record(mem, folio, i, nr);
		folio_unlock(folio);
		folio_put(folio);
		*pages += nr;
		i += nr;
		cond_resched();
	}
	return 0;
}

static u64 count_present(struct vireo_mem *mem, pgoff_t first, pgoff_t end)
{
	u64 pages = 0;
	pgoff_t i;

	for (i = next_present(mem, first, end); i < end;
	     i = next_present(mem, i + 1, end))
		pages++;
	return pages;
}

static int discard_chunk(struct vireo_mem *mem, pgoff_t first, pgoff_t end)
{
	u64 pages = 0;
	int ret = 0;

	down_read(&mem->gate);
	if (!list_empty(&mem->snapshots) || !list_empty(&mem->logs))
		ret = record_present(mem, first, end, &pages);
	else
		pages = count_present(mem, first, end);
	if (!ret) {
		shmem_truncate_range(mem->mapping->host,
				     (loff_t)first << PAGE_SHIFT,
				     ((loff_t)end << PAGE_SHIFT) - 1);
		atomic64_add(pages, &mem->stats.discarded);
	}
	up_read(&mem->gate);
	return ret;
}

/**
 * vireo_mem_discard() - VIREO_MEM_DISCARD
 * @object: the memory object's file
 * @arg: struct vireo_mem_range
 * @uarg: gets done
 *
 * Return: 0 or a negative errno.
 */
long vireo_mem_discard(void *object, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_mem_range *range = &arg->mem_range;
	struct vireo_mem *mem = vireo_mem_of(object);
	pgoff_t first, end, i, next;
	int ret = 0;

	if (!range_ok(mem, range))
		return -EINVAL;
	first = range->start >> PAGE_SHIFT;
	end = first + (range->len >> PAGE_SHIFT);

	for (i = first; i < end; i = next) {
		/* Whole huge pages, which are freed and not split. */
		next = min(end, round_down(i + DISCARD_CHUNK, DISCARD_CHUNK));
		ret = signal_pending(current) ? -EINTR :
						discard_chunk(mem, i, next);
		if (ret)
			break;
		cond_resched();
	}

	if (put_done(uarg, (u64)(i - first) << PAGE_SHIFT))
		return -EFAULT;
	return ret;
}

static u64 count_huge(struct vireo_mem *mem)
{
	XA_STATE(xas, &mem->mapping->i_pages, 0);
	struct folio *folio;
	u64 pages = 0;

	rcu_read_lock();
	xas_for_each(&xas, folio, mem->nr_pages - 1)
	{
		if (xas_retry(&xas, folio) || xa_is_value(folio))
			continue;
		/* Newer kernels have large ones that are not huge. */
		if (folio_nr_pages(folio) >= VIREO_HUGE_PAGES)
			pages += folio_nr_pages(folio);
		if (need_resched()) {
			xas_pause(&xas);
			rcu_read_unlock();
			cond_resched();
			rcu_read_lock();
		}
	}
	rcu_read_unlock();
	return pages;
}

/**
 * vireo_mem_look() - what an object is made of
 * @s: its statistics
 * @stat: filled
 */
void vireo_mem_look(const struct vireo_mem_stats *s,
		    struct vireo_mem_stat *stat)
{
	struct vireo_mem *mem = container_of((struct vireo_mem_stats *)s,
					     struct vireo_mem, stats);
	const struct inode *inode = mem->mapping->host;

	*stat = (struct vireo_mem_stat){
		.bytes = (u64)mem->nr_pages << PAGE_SHIFT,
		.resident = (u64)READ_ONCE(mem->mapping->nrpages) << PAGE_SHIFT,
		.huge = count_huge(mem) << PAGE_SHIFT,
		.swapped =
			(u64)READ_ONCE(SHMEM_I((struct inode *)inode)->swapped)
			<< PAGE_SHIFT,
		.dirtied = (u64)atomic64_read(&s->dirtied) << PAGE_SHIFT,
		.copied = (u64)atomic64_read(&s->copied) << PAGE_SHIFT,
		.discarded = (u64)atomic64_read(&s->discarded) << PAGE_SHIFT,
		.logs = READ_ONCE(mem->nr_logs),
		.snapshots = READ_ONCE(mem->nr_snapshots),
	};
	down_read(&mem->gate);
	if (mem->lent)
		stat->shared = (u64)bitmap_weight(mem->lent, mem->nr_pages)
			       << PAGE_SHIFT;
	up_read(&mem->gate);
}
