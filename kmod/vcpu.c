// SPDX-License-Identifier: GPL-2.0
/*
 * The vCPU object: a file descriptor for running a vCPU of KVM, and a page for
 * what its owner counts.
 *
 * It holds KVM's vCPU file, that file's first two pages and the memory of the
 * VM object, but not the VM descriptor's effects: when that is closed, its
 * regions are gone and the vCPU runs without.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat.h"
#include "vireo.h"

static_assert(sizeof(struct vireo_vcpu_page) <= PAGE_SIZE);
static_assert(sizeof(struct kvm_run) <= PAGE_SIZE);

static long vireo_vcpu_ioctl(struct file *file, unsigned int cmd,
			     unsigned long arg)
{
	struct vireo_vcpu *vcpu = file->private_data;
	long ret;

	if (!vireo_kvm_is_ours(vcpu->vm->kvm_file))
		return -EPERM;
	if ((cmd ^ VIREO_VCPU_RUN) & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT))
		return -ENOTTY;
	if (arg)
		return -EINVAL;

	/* As KVM waits for a vCPU that another thread runs. */
	if (mutex_lock_killable(&vcpu->lock))
		return -EINTR;
	ret = vireo_run(vcpu);
	mutex_unlock(&vcpu->lock);
	return ret;
}

static int vireo_vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vireo_vcpu *vcpu = file->private_data;
	int ret;

	if (!(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC ||
	    vma->vm_pgoff)
		return -EINVAL;

	vireo_vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYEXEC);
	/* Fails with -ENXIO if the mapping is longer than a page. */
	ret = vm_map_pages_zero(vma, &vcpu->page_page, 1);
	if (!ret)
		vma_set_file(vma, vcpu->vm->area_file);
	return ret;
}

static void free_vcpu(struct vireo_vcpu *vcpu)
{
	put_page(vcpu->page_page);
	unpin_user_pages(vcpu->run_pages, ARRAY_SIZE(vcpu->run_pages));
	fput(vcpu->kvm_file);
	kfree(vcpu);
}

static int vireo_vcpu_release(struct inode *inode, struct file *file)
{
	struct vireo_vcpu *vcpu = file->private_data;
	struct vireo_vm *vm = vcpu->vm;

	vireo_vcpu_stats_del(&vcpu->stats);
	mutex_lock(&vm->lock);
	list_del(&vcpu->link);
	mutex_unlock(&vm->lock);
	free_vcpu(vcpu);
	vireo_vm_put(vm);
	return 0;
}

static const struct file_operations vireo_vcpu_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vireo_vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vireo_vcpu_mmap,
	.release = vireo_vcpu_release,
	.llseek = noop_llseek,
};

/*
 * Pins the pages that the caller's mapping of the vCPU file shows, so that
 * what KVM writes can be read even if the caller unmaps it.  KVM's pages are
 * ordinary ones with a reference count.
 */
static int pin_run(struct vireo_vcpu *vcpu, unsigned long addr)
{
	const unsigned int nr = ARRAY_SIZE(vcpu->run_pages);
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	long ret = -EINVAL;

	if (!PAGE_ALIGNED(addr))
		return -EINVAL;

	/* Held from the look at the mapping until its pages are pinned. */
	mmap_read_lock(mm);
	vma = vma_lookup(mm, addr);
	if (vma && vma->vm_file == vcpu->kvm_file &&
	    !(vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT)) &&
	    vma->vm_end - addr >= nr * PAGE_SIZE &&
	    (vma->vm_flags & (VM_SHARED | VM_WRITE)) == (VM_SHARED | VM_WRITE))
		ret = vireo_pin_user_pages(addr, nr, FOLL_WRITE | FOLL_LONGTERM,
					   vcpu->run_pages);
	mmap_read_unlock(mm);

	if (ret > 0 && ret < nr) {
		unpin_user_pages(vcpu->run_pages, ret);
		ret = -EFAULT;
	}
	return ret < 0 ? ret : 0;
}

/* All but what others can see of it. */
static struct vireo_vcpu *make_vcpu(struct vireo_vm *vm,
				    const struct vireo_vcpu_create *create)
{
	struct vireo_vcpu *vcpu;
	int ret;

	vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	mutex_init(&vcpu->lock);
	vcpu->vm = vm;
	vcpu->id = create->id;

	vcpu->kvm_file = fget(create->vcpu_fd);
	if (!vcpu->kvm_file) {
		ret = -EBADF;
		goto err_free;
	}
	if (!vireo_kvm_is_vcpu(vcpu->kvm_file, vm->kvm_file, create->id)) {
		ret = -EINVAL;
		goto err_fput;
	}
	ret = pin_run(vcpu, create->run);
	if (ret)
		goto err_fput;
	vcpu->run = page_address(vcpu->run_pages[0]);
	vcpu->io_data = page_address(vcpu->run_pages[1]);

	vcpu->page_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vcpu->page_page) {
		ret = -ENOMEM;
		goto err_unpin;
	}
	vcpu->page = page_address(vcpu->page_page);
	return vcpu;

err_unpin:
	unpin_user_pages(vcpu->run_pages, ARRAY_SIZE(vcpu->run_pages));
err_fput:
	fput(vcpu->kvm_file);
err_free:
	kfree(vcpu);
	return ERR_PTR(ret);
}

static int add_to_vm(struct vireo_vm *vm, struct vireo_vcpu *vcpu)
{
	const struct vireo_vcpu *other;
	int ret = 0;

	mutex_lock(&vm->lock);
	list_for_each_entry(other, &vm->vcpus, link)
		if (other->id == vcpu->id)
			ret = -EEXIST;
	if (!ret)
		list_add_tail(&vcpu->link, &vm->vcpus);
	mutex_unlock(&vm->lock);
	return ret;
}

/**
 * vireo_vcpu_create() - VIREO_VCPU_CREATE
 * @object: the VM
 * @arg: struct vireo_vcpu_create
 * @uarg: gets nothing
 *
 * Return: a file descriptor or a negative errno.
 */
long vireo_vcpu_create(void *object, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_vcpu_create *create = &arg->vcpu_create;
	struct vireo_vm *vm = object;
	struct vireo_vcpu *vcpu;
	int ret;

	if (vireo_exit_path_used() == VIREO_EXIT_PATH_OFF)
		return -EOPNOTSUPP;
	if (create->flags || create->id >= VIREO_MAX_VCPUS)
		return -EINVAL;

	vcpu = make_vcpu(vm, create);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);
	ret = add_to_vm(vm, vcpu);
	if (ret)
		goto err_free;
	vireo_vm_get(vm);
	vcpu->stats.id = vcpu->id;
	vcpu->stats.page = vcpu->page;
	vireo_vcpu_stats_add(&vm->stats, &vcpu->stats);

	/* Publishes: another thread may close it before this returns. */
	ret = anon_inode_getfd("[vireo-vcpu]", &vireo_vcpu_fops, vcpu,
			       O_RDWR | O_CLOEXEC);
	if (ret < 0)
		goto err_del;
	return ret;

err_del:
	vireo_vcpu_stats_del(&vcpu->stats);
	vireo_vm_put(vm);
	mutex_lock(&vm->lock);
	list_del(&vcpu->link);
	mutex_unlock(&vm->lock);
err_free:
	free_vcpu(vcpu);
	return ret;
}
