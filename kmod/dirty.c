// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log: a descriptor that tells which pages were written.
 */
#include <linux/anon_inodes.h>
#include <linux/bitmap.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "mem.h"

/* Pages that are fetched with the gate held: writers wait no longer than that. */
#define FETCH_CHUNK (16 * VIREO_HUGE_PAGES)
#define FETCH_LONGS (FETCH_CHUNK / BITS_PER_LONG)
#define FETCH_HUGES (FETCH_CHUNK / VIREO_HUGE_PAGES)

/**
 * vireo_log_mark() - record that pages are about to change
 * @log: the log; the caller holds the gate
 * @first: first page
 * @nr: pages
 */
void vireo_log_mark(struct vireo_log *log, pgoff_t first, pgoff_t nr)
{
	pgoff_t i;

	for (i = first; i < first + nr; i++)
		set_bit(i, log->dirty);
	if (nr == VIREO_HUGE_PAGES)
		set_bit(first / VIREO_HUGE_PAGES, log->huge);
}

/* What somebody holds stays dirty. */
static void log_held(void *tracker, pgoff_t index, struct page *page)
{
	struct vireo_log *log = tracker;

	set_bit(index, log->dirty);
}

/**
 * struct fetched - a part of a log
 * @dirty: a bit per page
 * @huge: a bit per huge page
 */
struct fetched {
	unsigned long dirty[FETCH_LONGS];
	u32 huge;
};

static_assert(FETCH_HUGES <= 32 && VIREO_HUGE_PAGES % BITS_PER_LONG == 0);

static void put_back(struct vireo_log *log, const struct fetched *f,
		     pgoff_t first, pgoff_t end)
{
	pgoff_t i;

	for (i = first; i < end; i++)
		if (test_bit(i - first, f->dirty))
			set_bit(i, log->dirty);
	for (i = 0; i < FETCH_HUGES; i++)
		if (f->huge & BIT(i))
			set_bit(first / VIREO_HUGE_PAGES + i, log->huge);
}

/* Takes what the log has of [first, end), which are at most FETCH_CHUNK. */
static int fetch_chunk(struct vireo_mem *mem, struct vireo_log *log,
		       pgoff_t first, pgoff_t end, bool peek, struct fetched *f)
{
	unsigned long word = first / BITS_PER_LONG;
	long closed = 0;
	pgoff_t i;

	memset(f, 0, sizeof(*f));
	down_write(&mem->gate);
	for (i = first; i < end; i += BITS_PER_LONG, word++) {
		unsigned long bits = log->dirty[word];

		if (end - i < BITS_PER_LONG)
			bits &= BITMAP_LAST_WORD_MASK(end);
		f->dirty[(i - first) / BITS_PER_LONG] = bits;
		if (!peek)
			log->dirty[word] &= ~bits;
	}
	for (i = first; i < end; i += VIREO_HUGE_PAGES) {
		unsigned long huge = i / VIREO_HUGE_PAGES;

		if (!test_bit(huge, log->huge))
			continue;
		f->huge |= BIT((i - first) / VIREO_HUGE_PAGES);
		if (!peek)
			clear_bit(huge, log->huge);
	}
	if (!peek)
		closed = vireo_mem_close(mem, first, end, log_held, log);
	if (closed < 0)
		put_back(log, f, first, end);
	up_write(&mem->gate);
	return closed < 0 ? closed : 0;
}

/* Where in the caller's bitmap of huge pages the next ones go. */
struct huge_out {
	u64 __user *to;
	u64 word;
	unsigned int bits;
};

static int put_huge(struct huge_out *out, u32 huge, unsigned int bits,
		    bool last)
{
	if (!out->to)
		return 0;
	out->word |= (u64)huge << out->bits;
	out->bits += bits;
	if (out->bits < 64 && !last)
		return 0;
	if (put_user(out->word, out->to))
		return -EFAULT;
	out->to++;
	out->word = 0;
	out->bits = 0;
	return 0;
}

static_assert(64 % FETCH_HUGES == 0);

static int fetch(struct vireo_mem *mem, struct vireo_log *log,
		 const struct vireo_dirty_fetch *in, struct fetched *f,
		 struct vireo_dirty_fetch *out)
{
	unsigned long __user *to = u64_to_user_ptr(in->bitmap);
	struct huge_out huge = { .to = u64_to_user_ptr(in->huge) };
	pgoff_t first = in->start >> PAGE_SHIFT;
	pgoff_t end = first + (in->len >> PAGE_SHIFT);
	bool peek = in->flags & VIREO_DIRTY_PEEK;
	pgoff_t next;
	int ret;

	for (; first < end; first = next) {
		pgoff_t nr = min_t(pgoff_t, end - first, FETCH_CHUNK);

		next = first + nr;
		if (signal_pending(current))
			return -EINTR;
		ret = fetch_chunk(mem, log, first, next, peek, f);
		if (ret)
			return ret;
		if (copy_to_user(to, f->dirty,
				 BITS_TO_LONGS(nr) * sizeof(long)) ||
		    put_huge(&huge, f->huge, FETCH_HUGES, next == end)) {
			if (!peek) {
				down_read(&mem->gate);
				put_back(log, f, first, next);
				up_read(&mem->gate);
			}
			return -EFAULT;
		}
		to += BITS_TO_LONGS(nr);
		out->pages += bitmap_weight(f->dirty, nr);
		out->done += (u64)nr << PAGE_SHIFT;
		cond_resched();
	}
	return 0;
}

static long vireo_dirty_fetch(void *object, union vireo_arg *arg,
			      void __user *uarg)
{
	const struct vireo_dirty_fetch *in = &arg->dirty_fetch;
	struct vireo_dirty_fetch __user *to = uarg;
	struct vireo_log *log = object;
	struct vireo_mem *mem = vireo_mem_of(log->mem_file);
	u64 bytes = (u64)mem->nr_pages << PAGE_SHIFT;
	struct vireo_dirty_fetch out = {};
	struct fetched *f;
	int ret;

	if (in->flags & ~VIREO_DIRTY_PEEK ||
	    !IS_ALIGNED(in->start, VIREO_MEM_HUGE_SIZE) || !in->len ||
	    !PAGE_ALIGNED(in->len) || in->start >= bytes ||
	    in->len > bytes - in->start)
		return -EINVAL;

	f = kmalloc(sizeof(*f), GFP_KERNEL);
	if (!f)
		return -ENOMEM;
	ret = fetch(mem, log, in, f, &out);
	kfree(f);
	if (put_user(out.pages, &to->pages) || put_user(out.done, &to->done))
		return -EFAULT;
	return ret;
}

static const struct vireo_ioctl vireo_log_ioctls[] = {
	VIREO_IOCTL(VIREO_DIRTY_FETCH, vireo_dirty_fetch,
		    struct vireo_dirty_fetch, done),
};

static long vireo_log_ioctl(struct file *file, unsigned int cmd,
			    unsigned long uaddr)
{
	return vireo_do_ioctl(vireo_log_ioctls, ARRAY_SIZE(vireo_log_ioctls),
			      file->private_data, cmd, uaddr);
}

static void free_log(struct vireo_log *log)
{
	kvfree(log->huge);
	kvfree(log->dirty);
	kfree(log);
}

static void del_log(struct vireo_mem *mem, struct vireo_log *log)
{
	down_write(&mem->gate);
	list_del(&log->link);
	mem->nr_logs--;
	up_write(&mem->gate);
}

static int vireo_log_release(struct inode *inode, struct file *file)
{
	struct vireo_log *log = file->private_data;
	struct file *mem_file = log->mem_file;

	del_log(vireo_mem_of(mem_file), log);
	free_log(log);
	fput(mem_file);
	return 0;
}

static const struct file_operations vireo_log_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vireo_log_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = vireo_log_release,
	.llseek = noop_llseek,
};

static struct vireo_log *make_log(const struct vireo_mem *mem)
{
	struct vireo_log *log = kzalloc(sizeof(*log), GFP_KERNEL_ACCOUNT);

	if (!log)
		return NULL;
	log->dirty = vireo_mem_bitmap(mem);
	log->huge = kvcalloc(BITS_TO_LONGS(DIV_ROUND_UP(mem->nr_pages,
							VIREO_HUGE_PAGES)),
			     sizeof(long), GFP_KERNEL_ACCOUNT);
	if (log->dirty && log->huge)
		return log;
	free_log(log);
	return NULL;
}

/* From here on the log gets what is written. */
static int add_log(struct vireo_mem *mem, struct vireo_log *log)
{
	long ret = -ENOSPC;

	down_write(&mem->gate);
	if (mem->nr_logs < VIREO_MAX_LOGS)
		ret = vireo_mem_close(mem, 0, mem->nr_pages, log_held, log);
	if (ret >= 0) {
		list_add_tail(&log->link, &mem->logs);
		mem->nr_logs++;
	}
	up_write(&mem->gate);
	return ret < 0 ? ret : 0;
}

/**
 * vireo_mem_dirty_log() - VIREO_MEM_DIRTY_LOG
 * @object: the memory object's file
 * @arg: struct vireo_dirty_log
 * @uarg: gets nothing
 *
 * Return: a file descriptor or a negative errno.
 */
long vireo_mem_dirty_log(void *object, union vireo_arg *arg, void __user *uarg)
{
	struct file *file = object;
	struct vireo_mem *mem = vireo_mem_of(file);
	struct vireo_log *log;
	int ret;

	if (arg->dirty_log.flags)
		return -EINVAL;

	log = make_log(mem);
	if (!log)
		return -ENOMEM;
	ret = add_log(mem, log);
	if (ret)
		goto err_free;
	log->mem_file = get_file(file);

	/* Publishes: another thread may close it before this returns. */
	ret = anon_inode_getfd("[vireo-log]", &vireo_log_fops, log,
			       O_RDWR | O_CLOEXEC);
	if (ret < 0)
		goto err_del;
	return ret;

err_del:
	del_log(mem, log);
	fput(file);
err_free:
	free_log(log);
	return ret;
}
