// SPDX-License-Identifier: GPL-2.0
/*
 * The VM object: a file descriptor that ties the module to one KVM VM.
 *
 * It holds KVM's VM file, so KVM's VM lives at least as long.  Nothing that
 * KVM's VM holds refers back to this object: there is no cycle.  Both pin
 * their modules through their file_operations.
 *
 * As with KVM's own descriptors, only the address space that created the KVM
 * VM may change anything through it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat.h"
#include "mem.h"
#include "queue.h"
#include "table.h"

#define VIREO_AREA_PGSHIFT (ilog2(VIREO_IO_AREA_STRIDE) - PAGE_SHIFT)

static_assert(sizeof(struct vireo_ring) +
		      VIREO_MAX_RING * sizeof(struct vireo_post) +
		      VIREO_SHADOW_SIZE <=
	      VIREO_IO_AREA_STRIDE);

static long vireo_vm_stats(void *object, union vireo_arg *arg,
			   void __user *uarg)
{
	const struct vireo_stats *in = &arg->stats;
	struct vireo_stats __user *out = uarg;
	void __user *buf = u64_to_user_ptr(in->buf);
	struct vireo_vm *vm = object;
	struct vireo_record record;
	bool reset;
	int ret;

	if (in->flags & ~VIREO_STATS_RESET || in->reserved ||
	    in->what > VIREO_STATS_QUEUE ||
	    (in->what == VIREO_STATS_VM && in->id))
		return -EINVAL;

	ret = vireo_record_init(&record, &vm->stats, in->what);
	if (ret)
		return ret;

	/* Tried first: what is reset must not go nowhere. */
	reset = in->flags & VIREO_STATS_RESET && in->len >= record.len;
	ret = -EFAULT;
	if (put_user(record.len, &out->len) ||
	    (reset && clear_user(buf, record.len)))
		goto out;

	ret = vireo_record_fill(&record, &vm->stats, in->what, in->id, reset);
	if (!ret && copy_to_user(buf, record.data, min(in->len, record.len)))
		ret = -EFAULT;
out:
	vireo_record_destroy(&record);
	return ret;
}

static const struct vireo_ioctl vireo_vm_ioctls[] = {
	VIREO_IOCTL(VIREO_IO_ADD, vireo_io_add, struct vireo_io_add,
		    shadow_pages),
	VIREO_IOCTL(VIREO_IO_DEL, vireo_io_del, struct vireo_io_id, reserved),
	VIREO_IOCTL(VIREO_IO_ENABLE, vireo_io_enable, struct vireo_io_id,
		    reserved),
	VIREO_IOCTL(VIREO_VCPU_CREATE, vireo_vcpu_create,
		    struct vireo_vcpu_create, run),
	VIREO_IOCTL(VIREO_STATS, vireo_vm_stats, struct vireo_stats, reserved),
	VIREO_IOCTL(VIREO_MEM_MAP, vireo_mem_map, struct vireo_mem_map,
		    reserved),
	VIREO_IOCTL(VIREO_MEM_UNMAP, vireo_mem_unmap, struct vireo_mem_map,
		    reserved),
	VIREO_IOCTL(VIREO_QUEUE_ADD, vireo_queue_add, struct vireo_queue_add,
		    reserved),
	VIREO_IOCTL(VIREO_QUEUE_DEL, vireo_queue_del, struct vireo_queue_del,
		    reserved),
	VIREO_IOCTL(VIREO_QUEUE_STATE, vireo_queue_state,
		    struct vireo_queue_state, held),
};

static long vireo_vm_ioctl(struct file *file, unsigned int cmd,
			   unsigned long uaddr)
{
	struct vireo_vm *vm = file->private_data;

	if (!vireo_kvm_is_ours(vm->kvm_file))
		return -EPERM;

	return vireo_do_ioctl(vireo_vm_ioctls, ARRAY_SIZE(vireo_vm_ioctls), vm,
			      cmd, uaddr);
}

/* The file's position is a guest-physical address. */
static ssize_t vireo_vm_rw(struct kiocb *iocb, struct iov_iter *iter,
			   bool write)
{
	struct vireo_vm *vm = iocb->ki_filp->private_data;
	ssize_t n;

	if (!vireo_kvm_is_ours(vm->kvm_file))
		return -EPERM;
	n = vireo_mem_map_rw(vm, iocb->ki_pos, iter, write);
	if (n > 0)
		iocb->ki_pos += n;
	return n;
}

static ssize_t vireo_vm_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	return vireo_vm_rw(iocb, to, false);
}

static ssize_t vireo_vm_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	return vireo_vm_rw(iocb, from, true);
}

/* Under mmap_lock: see the order of locks in vireo.h. */
static int vireo_vm_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vireo_vm *vm = file->private_data;
	unsigned long id = vma->vm_pgoff >> VIREO_AREA_PGSHIFT;
	struct vireo_region *region;
	int ret;

	if (!(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC)
		return -EINVAL;
	if (vma->vm_pgoff & ((1UL << VIREO_AREA_PGSHIFT) - 1))
		return -EINVAL;

	region = vireo_region_get(vm, id);
	if (!region)
		return -ENXIO;

	vireo_vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYEXEC);
	/* Fails with -ENXIO if the mapping is longer than the area. */
	ret = vm_map_pages_zero(vma, region->pages, region->nr_pages);
	if (!ret)
		vma_set_file(vma, vm->area_file);

	vireo_region_put(region);
	return ret;
}

static void free_vm(struct kref *kref)
{
	struct vireo_vm *vm = container_of(kref, struct vireo_vm, kref);

	vireo_table_free(vm);
	xa_destroy(&vm->queues);
	xa_destroy(&vm->regions);
	fput(vm->area_file);
	fput(vm->kvm_file);
	kfree(vm);
}

/**
 * vireo_vm_get() - take a reference to a VM's memory
 * @vm: the VM
 */
void vireo_vm_get(struct vireo_vm *vm)
{
	kref_get(&vm->kref);
}

/**
 * vireo_vm_put() - drop such a reference
 * @vm: the VM
 */
void vireo_vm_put(struct vireo_vm *vm)
{
	kref_put(&vm->kref, free_vm);
}

static void end_vm(struct vireo_vm *vm)
{
	vireo_queue_del_all(vm);
	vireo_io_del_all(vm);
	vireo_mem_unmap_all(vm);
	vireo_vm_stats_del(&vm->stats);
	vireo_vm_put(vm);
}

/* Waits for disks as long as it takes; has a reference to the module. */
static int wait_and_end(void *data)
{
	struct vireo_vm *vm = data;

	vireo_queue_stop_all(vm, MAX_SCHEDULE_TIMEOUT);
	end_vm(vm);
	module_put_and_kthread_exit(0);
}

static int vireo_vm_release(struct inode *inode, struct file *file)
{
	struct vireo_vm *vm = file->private_data;
	struct task_struct *thread;

	if (vireo_queue_stop_all(vm, msecs_to_jiffies(VIREO_CLOSE_MS))) {
		end_vm(vm);
		return 0;
	}
	/* As long as the file there is, there is the module. */
	__module_get(THIS_MODULE);
	thread = kthread_run(wait_and_end, vm, "vireo-%llu", vm->stats.seq);
	if (!IS_ERR(thread)) {
		pr_notice("VM %llu of process %d is closed while its disk has requests\n",
			  vm->stats.seq, vm->stats.pid);
		return 0;
	}
	vireo_queue_stop_all(vm, MAX_SCHEDULE_TIMEOUT);
	end_vm(vm);
	module_put(THIS_MODULE);
	return 0;
}

static const struct file_operations vireo_vm_fops = {
	.owner = THIS_MODULE,
	.read_iter = vireo_vm_read_iter,
	.write_iter = vireo_vm_write_iter,
	.unlocked_ioctl = vireo_vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vireo_vm_mmap,
	.release = vireo_vm_release,
	.llseek = noop_llseek,
};

/* What a mapped area refers to; it does nothing. */
static const struct file_operations vireo_area_fops = {
	.owner = THIS_MODULE,
	.llseek = noop_llseek,
};

/**
 * vireo_vm_create() - VIREO_VM_CREATE
 * @unused: the device has no object
 * @arg: struct vireo_vm_create
 * @uarg: gets nothing
 *
 * Return: a file descriptor or a negative errno.
 */
long vireo_vm_create(void *unused, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_vm_create *create = &arg->vm_create;
	struct vireo_vm *vm;
	struct file *file;
	int ret;

	if (create->flags || create->reserved || create->reserved2 ||
	    create->vcpus > VIREO_MAX_VCPUS ||
	    !vireo_name_ok(create->name, sizeof(create->name), true))
		return -EINVAL;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return -ENOMEM;
	mutex_init(&vm->lock);
	xa_init_flags(&vm->regions, XA_FLAGS_ALLOC);
	xa_init_flags(&vm->queues, XA_FLAGS_ALLOC);
	INIT_LIST_HEAD(&vm->vcpus);
	vireo_mem_map_init(vm);
	kref_init(&vm->kref);
	strscpy(vm->name, create->name, sizeof(vm->name));

	vm->kvm_file = fget(create->kvm_fd);
	if (!vm->kvm_file) {
		ret = -EBADF;
		goto err_free;
	}
	if (!vireo_kvm_is_vm(vm->kvm_file)) {
		ret = -EINVAL;
		goto err_fput;
	}
	if (!vireo_kvm_is_ours(vm->kvm_file)) {
		ret = -EPERM;
		goto err_fput;
	}

	vm->area_file = anon_inode_getfile("[vireo-area]", &vireo_area_fops,
					   NULL, O_RDWR);
	if (IS_ERR(vm->area_file)) {
		ret = PTR_ERR(vm->area_file);
		goto err_fput;
	}

	vm->stats.name = vm->name;
	vm->stats.pid = task_tgid_nr(current);
	vm->stats.vcpus = create->vcpus;
	ret = vireo_vm_stats_add(&vm->stats);
	if (ret)
		goto err_area;

	ret = get_unused_fd_flags(O_RDWR | O_CLOEXEC);
	if (ret < 0)
		goto err_stats;
	file = anon_inode_getfile("[vireo-vm]", &vireo_vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(ret);
		ret = PTR_ERR(file);
		goto err_stats;
	}
	file->f_mode |= FMODE_PREAD | FMODE_PWRITE;
	fd_install(ret, file);
	return ret;

err_stats:
	vireo_vm_stats_del(&vm->stats);
err_area:
	fput(vm->area_file);
err_fput:
	fput(vm->kvm_file);
err_free:
	kfree(vm);
	return ret;
}
