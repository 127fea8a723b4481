// SPDX-License-Identifier: GPL-2.0
/*
 * The run entry: KVM_RUN in a loop that serves what regions decide.
 *
 * It uses KVM's user ABI and nothing else: the vCPU file's own ioctl, and
 * struct kvm_run as the file's first page has it.  KVM completes an access on
 * the next KVM_RUN, before it looks at signals or immediate_exit, so whatever
 * ends the loop but the bound on its length ends it with no access half done.
 *
 * The pages are also mapped by the caller, whose other threads may write them
 * at any time: each field is read once, and checked after that.
 */
#include <linux/compiler.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/security.h>

#include "table.h"

/* Served in one call, at most; and before the processor is offered to others. */
#define VIREO_RUN_MAX 16384
#define VIREO_RUN_RESCHED 64

static __always_inline struct vireo_region *find(struct vireo_vcpu *vcpu,
						 u32 bus, u64 addr, u32 len)
{
	return vireo_table_find(vcpu->vm, bus, addr, len, &vcpu->hint[bus]);
}

/*
 * @data: the access's eight bytes in a page of the vCPU file.  Those of a write
 * are copied before anything looks at them; a read only stores there.  The
 * region passes widths that it does not know.
 *
 * Like the functions below: 0 if it was served.
 */
static __always_inline int serve(struct vireo_vcpu *vcpu,
				 struct vireo_region *region, bool write,
				 u64 addr, u32 len, u64 *data)
{
	if (!write)
		return vireo_region_read(region, vcpu->id, addr, len, data);
	vcpu->data = READ_ONCE(*data);
	return vireo_region_write(region, vcpu->id, addr, len, &vcpu->data);
}

/*
 * The data of a port access are at the start of the second page, whatever
 * io.data_offset says.  A string of several (rep ins) goes to user space as a
 * whole: once the rules decided a part of it, there would be no way to tell.
 */
static __always_inline int serve_io(struct vireo_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct vireo_region *region;
	u32 addr, len;

	if (READ_ONCE(run->io.count) != 1)
		return -EOPNOTSUPP;
	addr = READ_ONCE(run->io.port);
	len = READ_ONCE(run->io.size);
	region = find(vcpu, VIREO_BUS_PIO, addr, len);
	if (!region)
		return -EOPNOTSUPP;
	return serve(vcpu, region,
		     READ_ONCE(run->io.direction) == KVM_EXIT_IO_OUT, addr, len,
		     vcpu->io_data);
}

static __always_inline int serve_mmio(struct vireo_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct vireo_region *region;
	u64 addr;
	u32 len;

	static_assert(offsetof(struct kvm_run, mmio.data) % sizeof(u64) == 0 &&
		      sizeof_field(struct kvm_run, mmio.data) == sizeof(u64));

	addr = READ_ONCE(run->mmio.phys_addr);
	len = READ_ONCE(run->mmio.len);
	region = find(vcpu, VIREO_BUS_MMIO, addr, len);
	if (!region)
		return -EOPNOTSUPP;
	return serve(vcpu, region, READ_ONCE(run->mmio.is_write), addr, len,
		     (u64 *)run->mmio.data);
}

/* An RCU reader from the start, when there is nothing yet to keep meanwhile. */
static __always_inline int serve_exit(struct vireo_vcpu *vcpu)
{
	int ret = -EOPNOTSUPP;

	rcu_read_lock();
	switch (READ_ONCE(vcpu->run->exit_reason)) {
	case KVM_EXIT_IO:
		ret = serve_io(vcpu);
		break;
	case KVM_EXIT_MMIO:
		ret = serve_mmio(vcpu);
		break;
	}
	rcu_read_unlock();
	return ret;
}

/**
 * vireo_run() - VIREO_VCPU_RUN
 * @vcpu: the vCPU; its lock is held
 *
 * With the exit path BUS the VM's tables are empty: this only runs.
 *
 * Return: what KVM_RUN returned, or -EAGAIN.
 */
long vireo_run(struct vireo_vcpu *vcpu)
{
	struct file *file = vcpu->kvm_file;
	long (*kvm_ioctl)(struct file *, unsigned int, unsigned long) =
		file->f_op->unlocked_ioctl;
	unsigned int turn;
	long ret;

	/* What ioctl(2) would have asked. */
	ret = security_file_ioctl(file, KVM_RUN, 0);
	if (ret)
		return ret;

	for (turn = 0; turn < VIREO_RUN_MAX; turn++) {
		ret = kvm_ioctl(file, KVM_RUN, 0);
		if (ret || serve_exit(vcpu))
			return ret;
		/* KVM_RUN does so, too, whenever it enters the guest. */
		if (turn % VIREO_RUN_RESCHED == 0)
			cond_resched();
	}
	return -EAGAIN;
}
