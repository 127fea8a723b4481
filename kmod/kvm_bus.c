// SPDX-License-Identifier: GPL-2.0
/*
 * The bus entry: a region, or a queue's doorbell, as a device on KVM's own PIO or
 * MMIO bus; and what both entries ask of KVM's files.
 *
 * This is the only file that knows KVM's internals.  KVM does not export how
 * to register such a device, so what kvm_io_bus_register_dev() and
 * kvm_io_bus_unregister_dev() do is done here, on the public structures and
 * under the same locks: the array of a bus is replaced, never changed, under
 * kvm->slots_lock; vCPUs read it inside kvm->srcu.  No symbol of KVM is used.
 *
 * KVM looks a device up by the whole access: one that reaches outside the
 * region, even by a byte, does not come here.  A read or write of ours that
 * returns non-zero goes on to the next device and at last to user space.
 *
 * Life of a struct vireo_bus_dev:
 *
 *   vireo_bus_add()  -> attached -> vireo_bus_del() -> freed
 *                          |                  ^
 *                          v                  |
 *                   KVM drops its bus  -> detached
 *
 * KVM drops a whole bus, calling each device's destructor, when it cannot
 * allocate a smaller array for it, under slots_lock and after its readers are
 * gone.  It also does so when a VM is destroyed; but a VM that is attached is
 * kept by its file.
 */
#include <linux/bsearch.h>
#include <linux/fs.h>
#include <linux/kallsyms.h>
#include <linux/kvm_host.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/string.h>

#include <kvm/iodev.h>

#include "queue.h"

/**
 * struct vireo_bus_dev - a region or a doorbell on one of KVM's buses
 * @dev: what KVM sees
 * @region: borrowed; outlives this
 * @queue: likewise, instead
 * @addr: first address
 * @len: bytes
 * @bus: which bus
 * @attached: whether the bus has it; protected by kvm->slots_lock
 */
struct vireo_bus_dev {
	struct kvm_io_device dev;
	union {
		struct vireo_region *region;
		struct vireo_queue *queue;
	};
	u64 addr;
	u64 len;
	enum kvm_bus bus;
	bool attached;
};

static bool is_anon_with_ioctl(const struct file *file)
{
	return file_inode(file)->i_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       file->f_op->unlocked_ioctl;
}

/**
 * vireo_kvm_is_vm() - is this a VM of KVM?
 * @file: any file
 *
 * KVM's file_operations cannot be named from here.  A VM is a file on an
 * anonymous inode whose ioctl function has a certain name, in the kvm module
 * or in the kernel itself.  To look that up takes a walk over all symbols of
 * the kvm module, so the function is remembered.
 *
 * Return: whether it is.
 */
bool vireo_kvm_is_vm(const struct file *file)
{
	char name[KSYM_SYMBOL_LEN];
	unsigned long function;
	const char *module;

	if (!is_anon_with_ioctl(file))
		return false;
	function = (unsigned long)file->f_op->unlocked_ioctl;
	if (function == vireo_vm_ioctl_known())
		return true;

	/* symbol+offset/size, and the module in brackets if it is in one */
	sprint_symbol(name, function);
	if (!strstarts(name, "kvm_vm_ioctl+0x0/"))
		return false;
	module = strchr(name, '[');
	if (module && !strstarts(module, "[kvm]"))
		return false;
	vireo_vm_ioctl_learn(function);
	return true;
}

static struct kvm *kvm_of(const struct file *kvm_file)
{
	return kvm_file->private_data;
}

/**
 * vireo_kvm_is_vcpu() - is this a certain vCPU?
 * @file: any file
 * @kvm_file: a VM file
 * @id: any number
 *
 * The VM knows its vCPUs, which live as long as it does.  A file that has one
 * of them as its data is KVM's: its own, or that of its statistics, which has
 * no ioctl.
 *
 * Return: whether it is the VM's vCPU of that id.
 */
bool vireo_kvm_is_vcpu(const struct file *file, const struct file *kvm_file,
		       u32 id)
{
	const struct kvm_vcpu *vcpu = kvm_get_vcpu_by_id(kvm_of(kvm_file), id);

	return vcpu && file->private_data == vcpu && is_anon_with_ioctl(file);
}

/**
 * vireo_kvm_is_ours() - may the caller change this VM?
 * @kvm_file: a VM file
 *
 * The question that KVM itself asks on every ioctl.
 *
 * Return: whether the VM belongs to the caller's address space.
 */
bool vireo_kvm_is_ours(const struct file *kvm_file)
{
	return kvm_of(kvm_file)->mm == current->mm;
}

static int vireo_bus_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
			  gpa_t addr, int len, void *val)
{
	struct vireo_bus_dev *bd = container_of(dev, struct vireo_bus_dev, dev);

	return vireo_region_read(bd->region, vcpu->vcpu_id, addr, len, val);
}

static int vireo_bus_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
			   gpa_t addr, int len, const void *val)
{
	struct vireo_bus_dev *bd = container_of(dev, struct vireo_bus_dev, dev);

	return vireo_region_write(bd->region, vcpu->vcpu_id, addr, len, val);
}

static int vireo_bus_bell(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
			  gpa_t addr, int len, const void *val)
{
	struct vireo_bus_dev *bd = container_of(dev, struct vireo_bus_dev, dev);

	return vireo_queue_bell(bd->queue, addr, len, val);
}

/* KVM dropped the bus; it holds slots_lock.  vireo_bus_del() frees. */
static void vireo_bus_destructor(struct kvm_io_device *dev)
{
	container_of(dev, struct vireo_bus_dev, dev)->attached = false;
}

static const struct kvm_io_device_ops vireo_bus_ops = {
	.read = vireo_bus_read,
	.write = vireo_bus_write,
	.destructor = vireo_bus_destructor,
};

static const struct kvm_io_device_ops vireo_bell_ops = {
	.write = vireo_bus_bell,
	.destructor = vireo_bus_destructor,
};

/* The order of KVM's arrays (kvm_io_bus_cmp() of two registered ranges). */
static bool sorts_after(const struct kvm_io_range *a,
			const struct kvm_io_range *b)
{
	if (!b->len)
		return a->addr > b->addr;
	return a->addr >= b->addr && a->addr + a->len > b->addr + b->len;
}

/* Makes @new the array of a bus and frees @old when no vCPU reads it. */
static void replace_bus(struct kvm *kvm, enum kvm_bus idx,
			struct kvm_io_bus *old, struct kvm_io_bus *new)
{
	lockdep_assert_held(&kvm->slots_lock);

	rcu_assign_pointer(kvm->buses[idx], new);
	synchronize_srcu_expedited(&kvm->srcu);
	kfree(old);
}

static int insert(struct kvm *kvm, struct vireo_bus_dev *bd)
{
	struct kvm_io_bus *old, *new;
	struct kvm_io_range range = {
		.addr = bd->addr,
		.len = bd->len,
		.dev = &bd->dev,
	};
	int i;

	lockdep_assert_held(&kvm->slots_lock);

	old = kvm_get_bus(kvm, bd->bus);
	if (!old)
		return -ENOMEM;
	/* KVM's limit, which leaves ioeventfds out. */
	if (old->dev_count - old->ioeventfd_count > NR_IOBUS_DEVS - 1)
		return -ENOSPC;

	new = kmalloc(struct_size(new, range, old->dev_count + 1),
		      GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;

	for (i = 0; i < old->dev_count; i++)
		if (sorts_after(&old->range[i], &range))
			break;

	memcpy(new, old, struct_size(old, range, i));
	new->dev_count++;
	new->range[i] = range;
	memcpy(new->range + i + 1, old->range + i,
	       flex_array_size(old, range, old->dev_count - i));

	replace_bus(kvm, bd->bus, old, new);
	return 0;
}

static void take_out(struct kvm_io_bus *bus, int i)
{
	bus->dev_count--;
	memmove(bus->range + i, bus->range + i + 1,
		flex_array_size(bus, range, bus->dev_count - i));
}

/* Cannot fail: VIREO_IO_DEL and close must not. */
static void take_out_of_bus(struct kvm *kvm, const struct vireo_bus_dev *bd)
{
	struct kvm_io_bus *old, *new;
	int i;

	lockdep_assert_held(&kvm->slots_lock);

	old = kvm_get_bus(kvm, bd->bus);
	if (WARN_ON_ONCE(!old))
		return;
	for (i = 0; i < old->dev_count; i++)
		if (old->range[i].dev == &bd->dev)
			break;
	if (WARN_ON_ONCE(i == old->dev_count))
		return;

	new = kmemdup(old, struct_size(old, range, old->dev_count),
		      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (new) {
		take_out(new, i);
		replace_bus(kvm, bd->bus, old, new);
		return;
	}

	/*
	 * No memory.  Take the bus away, which sends accesses to user space
	 * for a moment, until no vCPU reads it; then change it in place.
	 */
	rcu_assign_pointer(kvm->buses[bd->bus], NULL);
	synchronize_srcu_expedited(&kvm->srcu);
	take_out(old, i);
	rcu_assign_pointer(kvm->buses[bd->bus], old);
}

/* Lets vCPUs reach what is described; on failure it is freed. */
static struct vireo_bus_dev *attach(struct file *kvm_file,
				    struct vireo_bus_dev *bd, u32 bus)
{
	struct kvm *kvm = kvm_of(kvm_file);
	int ret;

	bd->bus = bus == VIREO_BUS_PIO ? KVM_PIO_BUS : KVM_MMIO_BUS;

	mutex_lock(&kvm->slots_lock);
	ret = insert(kvm, bd);
	bd->attached = !ret;
	mutex_unlock(&kvm->slots_lock);
	if (ret) {
		kfree(bd);
		return ERR_PTR(ret);
	}
	return bd;
}

/**
 * vireo_bus_add() - let vCPUs reach a region
 * @kvm_file: the VM
 * @region: the region; ready to serve
 *
 * Return: a handle for vireo_bus_del() or an ERR_PTR().
 */
struct vireo_bus_dev *vireo_bus_add(struct file *kvm_file,
				    struct vireo_region *region)
{
	struct vireo_bus_dev *bd = kzalloc(sizeof(*bd), GFP_KERNEL_ACCOUNT);

	if (!bd)
		return ERR_PTR(-ENOMEM);
	kvm_iodevice_init(&bd->dev, &vireo_bus_ops);
	bd->region = region;
	bd->addr = region->addr;
	bd->len = region->len;
	return attach(kvm_file, bd, region->bus);
}

/**
 * vireo_bus_add_queue() - let vCPUs ring a queue's doorbell
 * @kvm_file: the VM
 * @q: the queue; ready to serve
 * @bus: VIREO_BUS_*
 * @addr: where
 * @len: bytes
 *
 * Return: a handle for vireo_bus_del() or an ERR_PTR().
 */
struct vireo_bus_dev *vireo_bus_add_queue(struct file *kvm_file,
					  struct vireo_queue *q, u32 bus,
					  u64 addr, u32 len)
{
	struct vireo_bus_dev *bd = kzalloc(sizeof(*bd), GFP_KERNEL_ACCOUNT);

	if (!bd)
		return ERR_PTR(-ENOMEM);
	kvm_iodevice_init(&bd->dev, &vireo_bell_ops);
	bd->queue = q;
	bd->addr = addr;
	bd->len = len;
	return attach(kvm_file, bd, bus);
}

/**
 * vireo_bus_del() - let vCPUs no longer reach a region or a doorbell
 * @kvm_file: the VM
 * @bus_dev: from vireo_bus_add(); freed
 *
 * When this returns no vCPU is in it.
 */
void vireo_bus_del(struct file *kvm_file, struct vireo_bus_dev *bus_dev)
{
	struct kvm *kvm = kvm_of(kvm_file);

	mutex_lock(&kvm->slots_lock);
	if (bus_dev->attached)
		take_out_of_bus(kvm, bus_dev);
	mutex_unlock(&kvm->slots_lock);
	kfree(bus_dev);
}
