// SPDX-License-Identifier: GPL-2.0
/*
 * The memory object: its descriptor, its mappings, and reaching its pages from
 * inside the kernel.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "compat.h"
#include "mem.h"

static const struct file_operations vireo_mem_fops;

/**
 * vireo_mem_of() - the memory object of a file
 * @file: any file
 *
 * Return: the object, or NULL if it is not one's.
 */
struct vireo_mem *vireo_mem_of(struct file *file)
{
	return file->f_op == &vireo_mem_fops ? file->private_data : NULL;
}

/*
 * A fault that comes because the page is not there may map all of a large
 * folio; one that comes because it is read-only maps one page.
 */
static vm_fault_t vireo_mem_mkwrite(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_private_data;
	struct folio *folio = page_folio(vmf->page);
	struct vireo_mem *mem = file->private_data;

	down_read(&mem->gate);
	folio_lock(folio);
	if (unlikely(folio->mapping != mem->mapping)) {
		folio_unlock(folio);
		up_read(&mem->gate);
		return VM_FAULT_NOPAGE;
	}
	if (vmf->pte)
		vireo_mem_open(mem, folio, vmf->pgoff, 1);
	else
		vireo_mem_open(mem, folio, folio->index, folio_nr_pages(folio));
	up_read(&mem->gate);
	return VM_FAULT_LOCKED;
}

static bool is_tracked(const struct vireo_mem *mem)
{
	return READ_ONCE(mem->nr_logs) || READ_ONCE(mem->nr_snapshots);
}

/* Whether what is mapped can be written, and is the object's then. */
static bool maps_writable(const struct vm_area_struct *vma)
{
	const unsigned long both = VM_SHARED | VM_WRITE;

	return (vma->vm_flags & both) == both;
}

/*
 * While nobody tracks, a page that is read may as well be written: it is opened
 * at once and mapped as by a fault that comes for writing, so that there is not
 * another.  The folio is locked, so the gate is only tried: see the locks' order.
 */
static vm_fault_t vireo_mem_fault(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_private_data;
	struct vireo_mem *mem = file->private_data;
	vm_fault_t ret = mem->shm_ops->fault(vmf);
	struct folio *folio;

	if (!(ret & VM_FAULT_LOCKED) || vmf->flags & FAULT_FLAG_WRITE ||
	    !maps_writable(vmf->vma) || !down_read_trylock(&mem->gate))
		return ret;
	if (!is_tracked(mem)) {
		folio = page_folio(vmf->page);
		vireo_mem_open(mem, folio, folio->index, folio_nr_pages(folio));
		/* As the kernel does where it opens one itself. */
		folio_mark_dirty(folio);
		vmf->flags |= FAULT_FLAG_WRITE;
	}
	up_read(&mem->gate);
	return ret;
}

/* Maps what is there around a page that is read, but cannot open it. */
static vm_fault_t vireo_mem_map_pages(struct vm_fault *vmf, pgoff_t first,
				      pgoff_t last)
{
	struct file *file = vmf->vma->vm_private_data;
	struct vireo_mem *mem = file->private_data;

	if (maps_writable(vmf->vma) && !is_tracked(mem))
		return 0;
	return mem->shm_ops->map_pages(vmf, first, last);
}

/* Called for a copy of a mapping: fork, mremap, a split. */
static void vireo_map_open(struct vm_area_struct *vma)
{
	get_file(vma->vm_private_data);
}

static void vireo_map_close(struct vm_area_struct *vma)
{
	fput(vma->vm_private_data);
}

/*
 * When write permission comes back, the kernel gives it at once to entries that
 * are dirty, without a fault, even if the page was closed meanwhile.  So there
 * must be none.
 */
static int vireo_map_mprotect(struct vm_area_struct *vma, unsigned long start,
			      unsigned long end, unsigned long flags)
{
	if (flags & VM_WRITE && vma->vm_flags & VM_SHARED)
		unmap_mapping_range(vma->vm_file->f_mapping,
				    ((loff_t)vma->vm_pgoff << PAGE_SHIFT) +
					    (start - vma->vm_start),
				    end - start, 0);
	return 0;
}

/* Takes what shmem does, and adds to it. */
static void make_ops(struct vireo_mem *mem,
		     const struct vm_operations_struct *shm_ops)
{
	mutex_lock(&mem->ops_lock);
	if (!mem->ops_made) {
		mem->shm_ops = shm_ops;
		mem->vm_ops = *shm_ops;
		mem->vm_ops.open = vireo_map_open;
		mem->vm_ops.close = vireo_map_close;
		mem->vm_ops.mprotect = vireo_map_mprotect;
		mem->vm_ops.fault = vireo_mem_fault;
		mem->vm_ops.map_pages = vireo_mem_map_pages;
		mem->vm_ops.page_mkwrite = vireo_mem_mkwrite;

		/* No fault-around: it would not ask for each page. */
		mem->snap_vm_ops = *shm_ops;
		mem->snap_vm_ops.open = vireo_map_open;
		mem->snap_vm_ops.close = vireo_map_close;
		mem->snap_vm_ops.mremap = vireo_snapshot_mremap;
		mem->snap_vm_ops.fault = vireo_snapshot_fault;
		mem->snap_vm_ops.map_pages = NULL;
		mem->ops_made = true;
	}
	mutex_unlock(&mem->ops_lock);
}

/**
 * vireo_mem_map_shm() - make a new mapping one of the shmem file
 * @mem: the object
 * @owner: the file that is mapped; the mapping gets a reference
 * @vma: the mapping; the caller sets its operations
 *
 * Return: 0, -ENXIO if it reaches over the end, or what shmem says.
 */
int vireo_mem_map_shm(struct vireo_mem *mem, struct file *owner,
		      struct vm_area_struct *vma)
{
	int ret;

	if (vma->vm_pgoff > mem->nr_pages ||
	    vma_pages(vma) > mem->nr_pages - vma->vm_pgoff)
		return -ENXIO;

	vma_set_file(vma, mem->shm);
	ret = vireo_vfs_mmap(mem->shm, vma);
	if (ret)
		return ret;
	make_ops(mem, vma->vm_ops);
	vma->vm_private_data = get_file(owner);
	return 0;
}

static int vireo_mem_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vireo_mem *mem = file->private_data;
	int ret;

	ret = vireo_mem_map_shm(mem, file, vma);
	if (!ret)
		vma->vm_ops = &mem->vm_ops;
	return ret;
}

/* Where a huge page fits. */
static unsigned long vireo_mem_get_unmapped_area(struct file *file,
						 unsigned long addr,
						 unsigned long len,
						 unsigned long pgoff,
						 unsigned long flags)
{
	struct vireo_mem *mem = file->private_data;

	return mem->shm->f_op->get_unmapped_area(mem->shm, addr, len, pgoff,
						 flags);
}

/**
 * vireo_mem_page() - get a page
 * @mem: the object
 * @index: which, below its size
 * @write: it will be written
 *
 * The page stays the object's until it is discarded, and open until it is put.
 * May sleep.  No user mapping is involved.
 *
 * Return: the page with a reference, or an ERR_PTR().
 */
struct page *vireo_mem_page(struct vireo_mem *mem, pgoff_t index, bool write)
{
	gfp_t gfp = mapping_gfp_mask(mem->mapping);
	struct folio *folio;
	struct page *page;

	for (;;) {
		page = shmem_read_mapping_page_gfp(mem->mapping, index, gfp);
		if (IS_ERR(page) || !write)
			return page;

		folio = page_folio(page);
		down_read(&mem->gate);
		folio_lock(folio);
		if (likely(folio->mapping == mem->mapping)) {
			vireo_mem_open(mem, folio, index, 1);
			/* As a page table would tell when it is unmapped. */
			folio_mark_dirty(folio);
			folio_unlock(folio);
			up_read(&mem->gate);
			return page;
		}
		folio_unlock(folio);
		up_read(&mem->gate);
		put_page(page);
	}
}

/**
 * vireo_mem_rw() - copy to or from an object
 * @mem: the object
 * @pos: where, in bytes; what reaches over its end is left out
 * @iter: user memory
 * @write: to the object
 *
 * Return: bytes copied, or if none were, a negative errno.
 */
ssize_t vireo_mem_rw(struct vireo_mem *mem, u64 pos, struct iov_iter *iter,
		     bool write)
{
	u64 end = (u64)mem->nr_pages << PAGE_SHIFT;
	ssize_t done = 0;
	int ret = 0;

	while (iov_iter_count(iter) && pos < end) {
		size_t offset = offset_in_page(pos);
		size_t len = min(iov_iter_count(iter), PAGE_SIZE - offset);
		pgoff_t index = pos >> PAGE_SHIFT;
		struct page *page;
		size_t n;

		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		if (!write && !xa_load(&mem->mapping->i_pages, index)) {
			n = iov_iter_zero(len, iter); /* a hole remains one */
		} else {
			page = vireo_mem_page(mem, index, write);
			if (IS_ERR(page)) {
				ret = PTR_ERR(page);
				break;
			}
			n = write ? copy_page_from_iter(page, offset, len,
							iter) :
				    copy_page_to_iter(page, offset, len, iter);
			put_page(page);
		}
		done += n;
		pos += n;
		if (n < len) {
			ret = -EFAULT;
			break;
		}
		cond_resched();
	}
	return done ? done : ret;
}

static ssize_t vireo_mem_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct vireo_mem *mem = iocb->ki_filp->private_data;
	ssize_t n = vireo_mem_rw(mem, iocb->ki_pos, to, false);

	if (n > 0)
		iocb->ki_pos += n;
	return n;
}

static ssize_t vireo_mem_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct vireo_mem *mem = iocb->ki_filp->private_data;
	ssize_t n;

	if (iov_iter_count(from) && iocb->ki_pos >> PAGE_SHIFT >= mem->nr_pages)
		return -ENOSPC;
	n = vireo_mem_rw(mem, iocb->ki_pos, from, true);
	if (n > 0)
		iocb->ki_pos += n;
	return n;
}

static loff_t vireo_mem_llseek(struct file *file, loff_t offset, int whence)
{
	struct vireo_mem *mem = file->private_data;

	return fixed_size_llseek(file, offset, whence,
				 (loff_t)mem->nr_pages << PAGE_SHIFT);
}

static long vireo_mem_stat_ioctl(void *object, union vireo_arg *arg,
				 void __user *uarg)
{
	const struct vireo_mem_stat *in = &arg->mem_stat;
	const struct vireo_mem *mem = vireo_mem_of(object);
	struct vireo_mem_stat out;

	if (in->flags)
		return -EINVAL;
	vireo_mem_look(&mem->stats, &out);
	out.size = min_t(u32, in->size, sizeof(out));
	return copy_to_user(uarg, &out, out.size) ? -EFAULT : 0;
}

static const struct vireo_ioctl vireo_mem_ioctls[] = {
	VIREO_IOCTL(VIREO_MEM_STAT, vireo_mem_stat_ioctl, struct vireo_mem_stat,
		    snapshots),
	VIREO_IOCTL(VIREO_MEM_PREFAULT, vireo_mem_prefault,
		    struct vireo_mem_range, done),
	VIREO_IOCTL(VIREO_MEM_DISCARD, vireo_mem_discard,
		    struct vireo_mem_range, done),
	VIREO_IOCTL(VIREO_MEM_DIRTY_LOG, vireo_mem_dirty_log,
		    struct vireo_dirty_log, flags),
	VIREO_IOCTL(VIREO_MEM_SNAPSHOT, vireo_mem_snapshot,
		    struct vireo_mem_snapshot, armed),
};

/* The file is what is passed on: logs and snapshots refer to that. */
static long vireo_mem_ioctl(struct file *file, unsigned int cmd,
			    unsigned long uaddr)
{
	return vireo_do_ioctl(vireo_mem_ioctls, ARRAY_SIZE(vireo_mem_ioctls),
			      file, cmd, uaddr);
}

static void free_mem(struct vireo_mem *mem)
{
	kvfree(mem->lent);
	kvfree(mem->open);
	kfree(mem);
}

static int vireo_mem_release(struct inode *inode, struct file *file)
{
	struct vireo_mem *mem = file->private_data;

	vireo_mem_stats_del(&mem->stats);
	fput(mem->shm);
	free_mem(mem);
	return 0;
}

static const struct file_operations vireo_mem_fops = {
	.owner = THIS_MODULE,
	.read_iter = vireo_mem_read_iter,
	.write_iter = vireo_mem_write_iter,
	.splice_write = iter_file_splice_write,
	.llseek = vireo_mem_llseek,
	.mmap = vireo_mem_mmap,
	.get_unmapped_area = vireo_mem_get_unmapped_area,
	.unlocked_ioctl = vireo_mem_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = vireo_mem_release,
};

/* No huge page reaches beyond the end: the bitmaps have no bits for that. */
static const char *huge_policy(const struct vireo_mem_create *create)
{
	if (create->flags & VIREO_MEM_HUGE)
		return "within_size";
	if (create->flags & VIREO_MEM_HUGE_ADVISE &&
	    IS_ALIGNED(create->bytes, VIREO_MEM_HUGE_SIZE))
		return "advise";
	return "never";
}

/*
 * A file system of its own for what shared memory of the system cannot be asked
 * for.  The file keeps it.
 */
static struct file *make_shm_on_mount(const struct vireo_mem_create *create,
				      const char *name)
{
	struct file_system_type *type = get_fs_type("tmpfs");
	struct vfsmount *mnt;
	struct file *shm;
	char options[48] = "";
	int n = 0;

	if (!type)
		return ERR_PTR(-ENODEV);
	if (vireo_has_huge_pages())
		n = scnprintf(options, sizeof(options), "huge=%s,",
			      huge_policy(create));
	if (create->node >= 0)
		scnprintf(options + n, sizeof(options) - n, "mpol=bind:%d",
			  create->node);
	mnt = vfs_kern_mount(type, SB_KERNMOUNT, type->name, options);
	module_put(type->owner);
	if (IS_ERR(mnt))
		return ERR_CAST(mnt);
	shm = vireo_shmem_file_setup(mnt, name, create->bytes);
	mntput(mnt);
	return shm;
}

static struct file *make_shm(const struct vireo_mem_create *create)
{
	struct file *shm;
	char name[48];

	snprintf(name, sizeof(name), "vireo-mem:%s", create->name);
	if (create->flags || create->node >= 0)
		shm = make_shm_on_mount(create, name);
	else
		shm = vireo_shmem_file_setup(NULL, name, create->bytes);
	/* What shmem says if there is no memory for an inode. */
	return shm == ERR_PTR(-ENOSPC) ? ERR_PTR(-ENOMEM) : shm;
}

static struct vireo_mem *make_mem(const struct vireo_mem_create *create)
{
	struct vireo_mem *mem;
	int ret = -ENOMEM;

	mem = kzalloc(sizeof(*mem), GFP_KERNEL_ACCOUNT);
	if (!mem)
		return ERR_PTR(-ENOMEM);
	init_rwsem(&mem->gate);
	mutex_init(&mem->ops_lock);
	INIT_LIST_HEAD(&mem->logs);
	INIT_LIST_HEAD(&mem->snapshots);
	strscpy(mem->name, create->name, sizeof(mem->name));
	mem->nr_pages = create->bytes >> PAGE_SHIFT;
	mem->open = vireo_mem_bitmap(mem);
	if (!mem->open)
		goto err_free;

	mem->shm = make_shm(create);
	if (IS_ERR(mem->shm)) {
		ret = PTR_ERR(mem->shm);
		goto err_free;
	}
	mem->mapping = mem->shm->f_mapping;
	/*
	 * Nobody may change it behind our back: no truncation, no holes by
	 * madvise(), no opening for writing through /proc; nor, what is only to
	 * be appended to, mapping it by remap_file_pages().
	 */
	inode_lock(mem->mapping->host);
	inode_set_flags(mem->mapping->host, S_IMMUTABLE | S_APPEND,
			S_IMMUTABLE | S_APPEND);
	inode_unlock(mem->mapping->host);
	return mem;

err_free:
	free_mem(mem);
	return ERR_PTR(ret);
}

/**
 * vireo_mem_create() - VIREO_MEM_CREATE
 * @unused: the device has no object
 * @arg: struct vireo_mem_create
 * @uarg: gets nothing
 *
 * Return: a file descriptor or a negative errno.
 */
long vireo_mem_create(void *unused, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_mem_create *create = &arg->mem_create;
	struct vireo_mem *mem;
	struct file *file;
	int fd;

	if (create->flags & ~(VIREO_MEM_HUGE | VIREO_MEM_HUGE_ADVISE) ||
	    hweight32(create->flags) > 1 || create->reserved ||
	    !create->bytes || !PAGE_ALIGNED(create->bytes) ||
	    create->bytes > VIREO_MAX_MEM || create->node < -1 ||
	    create->node >= MAX_NUMNODES || !create->name[0] ||
	    !vireo_name_ok(create->name, sizeof(create->name), false))
		return -EINVAL;

	mem = make_mem(create);
	if (IS_ERR(mem))
		return PTR_ERR(mem);

	fd = get_unused_fd_flags(O_RDWR | O_CLOEXEC);
	if (fd < 0)
		goto err_free;
	file = anon_inode_getfile("[vireo-mem]", &vireo_mem_fops, mem, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		fd = PTR_ERR(file);
		goto err_free;
	}
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;

	mem->stats.name = mem->name;
	mem->stats.pid = task_tgid_nr(current);
	mem->stats.look = vireo_mem_look;
	vireo_mem_stats_add(&mem->stats);
	fd_install(fd, file);
	return fd;

err_free:
	fput(mem->shm);
	free_mem(mem);
	return fd;
}
