// SPDX-License-Identifier: GPL-2.0
/*
 * The snapshot: a descriptor that shows memory as it was when it was made.
 *
 * What has been written since is in vireo_snapshot.kept; the rest is what the
 * object has.  While a page's folio is locked and the page is not in @kept, it
 * is not open, so nobody writes it.  Mappings are mappings of the object's shmem
 * file as well, so that reclaim, migration and truncation find the pages that
 * they have from there.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/mman.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "compat.h"
#include "mem.h"

/* In vireo_snapshot.kept: the page was zero. */
#define KEPT_ZERO xa_mk_value(0)

/*
 * A copy must not cost others their life: rather none is made.  It is charged to
 * who writes, who is the owner of the memory.
 */
#define KEEP_GFP (GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN)

/*
 * A page of zeros is mapped wherever there was nothing, and each page table
 * entry has a reference to it, whose count must not overflow: 4 TiB of holes.
 */
#define MAX_ZERO_REFS (1 << 30)

static void drop_kept(struct vireo_snapshot *s)
{
	struct vireo_mem *mem = vireo_mem_of(s->mem_file);
	unsigned long index;
	void *entry;

	xa_for_each(&s->kept, index, entry) {
		xa_erase(&s->kept, index);
		if (entry != KEPT_ZERO) {
			put_page(entry);
			atomic64_dec(&mem->stats.copied);
		}
		cond_resched();
	}
}

static void drop_work(struct work_struct *work)
{
	drop_kept(container_of(work, struct vireo_snapshot, drop));
}

/* The writer goes on. */
static void fail(struct vireo_snapshot *s, int error)
{
	if (cmpxchg(&s->error, 0, error))
		return;
	wake_up_all(&s->wait);
	queue_work(system_unbound_wq, &s->drop);
}

/* Return: the copy, or an ERR_PTR(). */
static struct page *copy_of(struct vireo_snapshot *s, const void *from)
{
	u64 nr = atomic64_inc_return(&s->nr_copied);
	struct page *copy;

	if (s->limit && nr << PAGE_SHIFT > s->limit) {
		atomic64_dec(&s->nr_copied);
		return ERR_PTR(-ENOSPC);
	}
	copy = alloc_page(KEEP_GFP);
	if (!copy) {
		atomic64_dec(&s->nr_copied);
		return ERR_PTR(-ENOMEM);
	}
	copy_page(page_address(copy), (void *)from);
	return copy;
}

static int keep(struct vireo_snapshot *s, pgoff_t index, struct page *page)
{
	struct vireo_mem *mem = vireo_mem_of(s->mem_file);
	void *from = kmap_local_page(page);
	struct page *copy = NULL;
	int ret;

	if (memchr_inv(from, 0, PAGE_SIZE))
		copy = copy_of(s, from);
	kunmap_local(from);
	if (IS_ERR(copy))
		return PTR_ERR(copy);

	ret = xa_insert(&s->kept, index, copy ?: KEPT_ZERO, KEEP_GFP);
	if (!copy) {
		atomic64_add(!ret, &s->nr_zero);
	} else if (!ret) {
		atomic64_inc(&mem->stats.copied);
	} else {
		atomic64_dec(&s->nr_copied);
		put_page(copy);
	}
	return ret;
}

/**
 * vireo_snapshot_keep() - a page is about to change
 * @s: the snapshot; the caller holds the gate or a reference to its file
 * @index: the page
 * @page: itself; its folio is locked
 */
void vireo_snapshot_keep(struct vireo_snapshot *s, pgoff_t index,
			 struct page *page)
{
	int ret;

	if (READ_ONCE(s->error) || xa_load(&s->kept, index))
		return;
	ret = keep(s, index, page);
	if (ret)
		fail(s, ret);
}

/* Nothing yet: see keep_held(). */
static void snapshot_held(void *tracker, pgoff_t index, struct page *page)
{
}

/* What is kept of a page, with a reference if it is a copy; NULL: nothing. */
static void *get_kept(struct vireo_snapshot *s, pgoff_t index)
{
	void *entry;

	xa_lock(&s->kept);
	entry = xa_load(&s->kept, index);
	if (entry && entry != KEPT_ZERO)
		get_page(entry);
	xa_unlock(&s->kept);
	return entry;
}

/*
 * Copies a page that is still the object's to @bounce.  Return: 0, -EAGAIN if
 * it is not so any more, or another negative errno.
 */
static int copy_live(struct vireo_snapshot *s, pgoff_t index,
		     struct page *bounce)
{
	struct vireo_mem *mem = vireo_mem_of(s->mem_file);
	struct folio *folio;
	struct page *page;
	int ret = -EAGAIN;

	if (!xa_load(&mem->mapping->i_pages, index)) {
		/* A hole; if it was made since, what was there is kept. */
		if (xa_load(&s->kept, index))
			return -EAGAIN;
		clear_highpage(bounce);
		return READ_ONCE(s->error) ? -EIO : 0;
	}

	page = vireo_mem_page(mem, index, false);
	if (IS_ERR(page))
		return PTR_ERR(page);
	folio = page_folio(page);
	folio_lock(folio);
	if (folio->mapping == mem->mapping && !xa_load(&s->kept, index)) {
		copy_highpage(bounce, page);
		ret = READ_ONCE(s->error) ? -EIO : 0;
	}
	folio_unlock(folio);
	folio_put(folio);
	return ret;
}

/*
 * Copies from the page at @index, bytes as told, to user space.
 * Return: bytes copied, or a negative errno.
 */
static ssize_t read_page(struct vireo_snapshot *s, pgoff_t index, size_t offset,
			 size_t len, struct page *bounce, struct iov_iter *to)
{
	struct page *kept;
	size_t n;
	int ret;

	do {
		kept = get_kept(s, index);
		if (READ_ONCE(s->error)) {
			if (kept && kept != KEPT_ZERO)
				put_page(kept);
			return -EIO;
		}
		if (kept == KEPT_ZERO)
			return iov_iter_zero(len, to);
		if (kept) {
			n = copy_page_to_iter(kept, offset, len, to);
			put_page(kept);
			return n;
		}
		ret = copy_live(s, index, bounce);
		cond_resched();
	} while (ret == -EAGAIN);
	return ret ? ret : copy_page_to_iter(bounce, offset, len, to);
}

static ssize_t vireo_snapshot_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct vireo_snapshot *s = iocb->ki_filp->private_data;
	u64 end = (u64)vireo_mem_of(s->mem_file)->nr_pages << PAGE_SHIFT;
	struct page *bounce = alloc_page(GFP_KERNEL);
	ssize_t n = 0, done = 0;

	if (!bounce)
		return -ENOMEM;
	while (iov_iter_count(to) && iocb->ki_pos < end) {
		size_t offset = offset_in_page(iocb->ki_pos);
		size_t len = min(iov_iter_count(to), PAGE_SIZE - offset);

		n = signal_pending(current) ?
			    -EINTR :
			    read_page(s, iocb->ki_pos >> PAGE_SHIFT, offset,
				      len, bounce, to);
		if (n < 0)
			break;
		iocb->ki_pos += n;
		done += n;
		if (n < len) {
			n = -EFAULT;
			break;
		}
		cond_resched();
	}
	put_page(bounce);
	return done ? done : min_t(ssize_t, n, 0);
}

/*
 * Shows the object's own page.  It goes into the page table while its folio is
 * locked, as shmem returns it: a writer that comes after that takes it out again.
 * All of a large folio may be mapped, so all of it must be as it was.
 *
 * Return: as a fault handler, or 0 without vmf->page: look again.
 */
static vm_fault_t fault_live(struct vireo_snapshot *s, struct vireo_mem *mem,
			     struct vm_fault *vmf)
{
	vm_fault_t ret = mem->shm_ops->fault(vmf);
	struct folio *folio;
	unsigned long kept;
	pgoff_t i, end;

	if (ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY))
		return ret;
	folio = page_folio(vmf->page);
	if (!(ret & VM_FAULT_LOCKED))
		folio_lock(folio);
	if (folio->mapping != mem->mapping)
		goto again;

	end = folio->index + folio_nr_pages(folio);
	kept = folio->index;
	if (xa_find(&s->kept, &kept, end - 1, XA_PRESENT)) {
		vireo_snapshot_keep(s, vmf->pgoff, vmf->page);
		goto again;
	}
	if (READ_ONCE(s->error))
		goto again;
	/* Else it is copied at once, for a private mapping. */
	if (!(vmf->flags & FAULT_FLAG_WRITE))
		for (i = folio->index; i < end; i++)
			set_bit(i, mem->lent);
	return ret | VM_FAULT_LOCKED;

again:
	folio_unlock(folio);
	folio_put(folio);
	vmf->page = NULL;
	return 0;
}

/**
 * vireo_snapshot_fault() - a page of a mapping of a snapshot is wanted
 * @vmf: the fault
 *
 * Return: as any fault handler.
 */
vm_fault_t vireo_snapshot_fault(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_private_data;
	struct vireo_snapshot *s = file->private_data;
	struct vireo_mem *mem = vireo_mem_of(s->mem_file);
	pgoff_t index = vmf->pgoff;
	struct page *page;
	vm_fault_t ret;

	if (index >= mem->nr_pages)
		return VM_FAULT_SIGBUS;
	do {
		page = get_kept(s, index);
		/* A hole; if it was made since, what was there is kept. */
		if (!page && !xa_load(&mem->mapping->i_pages, index)) {
			page = get_kept(s, index);
			if (!page)
				page = KEPT_ZERO;
		}
		if (page == KEPT_ZERO) {
			page = s->zero;
			if (unlikely(page_ref_count(page) > MAX_ZERO_REFS))
				return VM_FAULT_SIGBUS;
			get_page(page);
		}
		if (READ_ONCE(s->error)) {
			if (page)
				put_page(page);
			return VM_FAULT_SIGBUS;
		}
		if (page) {
			vmf->page = page;
			return 0;
		}
		ret = fault_live(s, mem, vmf);
		cond_resched();
	} while (!ret && !vmf->page);
	return ret;
}

/*
 * A mapping of a snapshot has copies between the object's pages.  When the
 * kernel makes a huge page of the object's small ones, it drops the page tables
 * of mappings where the huge page would fit, or maps it there, and takes every
 * entry for one of the object's.  So a huge page must not fit.
 */
static bool huge_page_fits(unsigned long addr, unsigned long pgoff)
{
	return IS_ALIGNED((addr >> PAGE_SHIFT) - pgoff, VIREO_HUGE_PAGES);
}

static unsigned long vireo_snapshot_get_unmapped_area(struct file *file,
						      unsigned long addr,
						      unsigned long len,
						      unsigned long pgoff,
						      unsigned long flags)
{
	unsigned long at;

	if (flags & MAP_FIXED)
		return addr;
	at = vireo_unmapped_area(file, addr, len + PAGE_SIZE, pgoff, flags);
	if (!IS_ERR_VALUE(at) && huge_page_fits(at, pgoff))
		at += PAGE_SIZE;
	return at;
}

/**
 * vireo_snapshot_mremap() - a mapping of a snapshot has been moved
 * @vma: where it is now
 *
 * Return: 0 or -EINVAL, with which it is moved back.
 */
int vireo_snapshot_mremap(struct vm_area_struct *vma)
{
	return huge_page_fits(vma->vm_start, vma->vm_pgoff) ? -EINVAL : 0;
}

static int vireo_snapshot_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vireo_snapshot *s = file->private_data;
	struct vireo_mem *mem = vireo_mem_of(s->mem_file);
	int ret;

	if (huge_page_fits(vma->vm_start, vma->vm_pgoff))
		return -EINVAL;
	/* The file is read-only: what is shared cannot be written. */
	ret = vireo_mem_map_shm(mem, file, vma);
	if (!ret)
		vma->vm_ops = &mem->snap_vm_ops;
	return ret;
}

static loff_t vireo_snapshot_llseek(struct file *file, loff_t offset,
				    int whence)
{
	struct vireo_snapshot *s = file->private_data;
	struct vireo_mem *mem = vireo_mem_of(s->mem_file);

	return fixed_size_llseek(file, offset, whence,
				 (loff_t)mem->nr_pages << PAGE_SHIFT);
}

static __poll_t vireo_snapshot_poll(struct file *file, poll_table *wait)
{
	struct vireo_snapshot *s = file->private_data;

	poll_wait(file, &s->wait, wait);
	return READ_ONCE(s->error) ? EPOLLERR : EPOLLIN | EPOLLRDNORM;
}

static long vireo_snapshot_stat_ioctl(void *object, union vireo_arg *arg,
				      void __user *uarg)
{
	const struct vireo_snapshot_stat *in = &arg->snapshot_stat;
	const struct vireo_snapshot *s = object;
	const struct vireo_mem *mem = vireo_mem_of(s->mem_file);
	struct vireo_snapshot_stat out = {
		.size = min_t(u32, in->size, sizeof(out)),
		.bytes = (u64)mem->nr_pages << PAGE_SHIFT,
		.limit = s->limit,
		.copied = (u64)atomic64_read(&s->nr_copied) << PAGE_SHIFT,
		.zero = (u64)atomic64_read(&s->nr_zero) << PAGE_SHIFT,
		.error = -READ_ONCE(s->error),
	};

	if (in->flags)
		return -EINVAL;
	return copy_to_user(uarg, &out, out.size) ? -EFAULT : 0;
}

static const struct vireo_ioctl vireo_snapshot_ioctls[] = {
	VIREO_IOCTL(VIREO_SNAPSHOT_STAT, vireo_snapshot_stat_ioctl,
		    struct vireo_snapshot_stat, reserved),
};

static long vireo_snapshot_ioctl(struct file *file, unsigned int cmd,
				 unsigned long uaddr)
{
	return vireo_do_ioctl(vireo_snapshot_ioctls,
			      ARRAY_SIZE(vireo_snapshot_ioctls),
			      file->private_data, cmd, uaddr);
}

static void free_snapshot(struct vireo_snapshot *s)
{
	cancel_work_sync(&s->drop);
	drop_kept(s);
	xa_destroy(&s->kept);
	put_page(s->zero);
	fput(s->mem_file);
	kfree(s);
}

static void del_snapshot(struct vireo_snapshot *s)
{
	struct vireo_mem *mem = vireo_mem_of(s->mem_file);

	down_write(&mem->gate);
	list_del(&s->link);
	if (!--mem->nr_snapshots)
		bitmap_zero(mem->lent, mem->nr_pages);
	up_write(&mem->gate);
}

static int vireo_snapshot_release(struct inode *inode, struct file *file)
{
	struct vireo_snapshot *s = file->private_data;

	/* Not there if it could not be armed. */
	if (!list_empty(&s->link))
		del_snapshot(s);
	free_snapshot(s);
	return 0;
}

static const struct file_operations vireo_snapshot_fops = {
	.owner = THIS_MODULE,
	.read_iter = vireo_snapshot_read_iter,
	.llseek = vireo_snapshot_llseek,
	.mmap = vireo_snapshot_mmap,
	.get_unmapped_area = vireo_snapshot_get_unmapped_area,
	.poll = vireo_snapshot_poll,
	.unlocked_ioctl = vireo_snapshot_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = vireo_snapshot_release,
};

static struct vireo_snapshot *make_snapshot(struct file *mem_file, u64 limit)
{
	struct vireo_snapshot *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (!s)
		return NULL;
	s->zero = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!s->zero) {
		kfree(s);
		return NULL;
	}
	INIT_LIST_HEAD(&s->link);
	xa_init_flags(&s->kept, XA_FLAGS_ACCOUNT);
	init_waitqueue_head(&s->wait);
	INIT_WORK(&s->drop, drop_work);
	s->limit = limit;
	s->mem_file = get_file(mem_file);
	return s;
}

/*
 * What is open still is held by somebody, who may be done with it before
 * others were closed, and have told.  So it is copied last of all: what is seen
 * then is no older than what anybody could write elsewhere.
 */
static void keep_held(struct vireo_mem *mem, struct vireo_snapshot *s)
{
	pgoff_t i;

	for_each_set_bit(i, mem->open, mem->nr_pages) {
		struct folio *folio = vireo_mem_lock_folio(mem, i);

		if (!folio) {
			/* Swapped out meanwhile: it is held no more. */
			clear_bit(i, mem->open);
			continue;
		}
		vireo_snapshot_keep(s, i, folio_page(folio, i - folio->index));
		folio_unlock(folio);
		folio_put(folio);
		cond_resched();
	}
}

/* The instant is the end of this. */
static int arm(struct vireo_mem *mem, struct vireo_snapshot *s,
	       unsigned long **lent, struct vireo_mem_snapshot *out)
{
	long ret = -ENOSPC;
	u64 begin;

	down_write(&mem->gate);
	begin = ktime_get_ns();
	if (mem->nr_snapshots >= VIREO_MAX_SNAPSHOTS)
		goto out;
	if (!mem->lent)
		swap(mem->lent, *lent);
	ret = vireo_mem_close(mem, 0, mem->nr_pages, snapshot_held, s);
	if (ret < 0)
		goto out;
	out->armed = ret;
	keep_held(mem, s);
	ret = READ_ONCE(s->error);
	if (ret)
		goto out;
	list_add_tail(&s->link, &mem->snapshots);
	mem->nr_snapshots++;
out:
	out->arm_ns = ktime_get_ns() - begin;
	up_write(&mem->gate);
	return ret;
}

/**
 * vireo_mem_snapshot() - VIREO_MEM_SNAPSHOT
 * @object: the memory object's file
 * @arg: struct vireo_mem_snapshot
 * @uarg: gets arm_ns and armed
 *
 * Return: a file descriptor or a negative errno.
 */
long vireo_mem_snapshot(void *object, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_mem_snapshot *in = &arg->mem_snapshot;
	struct vireo_mem_snapshot __user *to = uarg;
	struct vireo_mem_snapshot out = {};
	struct file *file, *mem_file = object;
	struct vireo_mem *mem = vireo_mem_of(mem_file);
	struct vireo_snapshot *s;
	unsigned long *lent;
	int fd, ret = -ENOMEM;

	if (in->flags)
		return -EINVAL;

	lent = vireo_mem_bitmap(mem);
	if (!lent)
		return -ENOMEM;
	s = make_snapshot(mem_file, in->limit);
	if (!s)
		goto out_lent;
	file = anon_inode_getfile("[vireo-snapshot]", &vireo_snapshot_fops, s,
				  O_RDONLY);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		free_snapshot(s);
		goto out_lent;
	}
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD;

	fd = get_unused_fd_flags(O_CLOEXEC);
	ret = fd;
	if (fd < 0)
		goto out_fput;
	ret = arm(mem, s, &lent, &out);
	if (!ret && (put_user(out.arm_ns, &to->arm_ns) ||
		     put_user(out.armed, &to->armed)))
		ret = -EFAULT;
	if (ret) {
		put_unused_fd(fd);
		goto out_fput;
	}
	fd_install(fd, file);
	ret = fd;
	goto out_lent;

out_fput:
	fput(file);
out_lent:
	kvfree(lent);
	return ret;
}
