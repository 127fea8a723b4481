// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Power-on state.  KVM has no reset of a vCPU or of its interrupt
 * controllers, so what they hold when new is kept and put back at a reset.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../cpu.h"
#include "../error.h"
#include "kvm.h"

#define NR_IRQCHIPS 3 /* two PICs and the IOAPIC */
#define MAX_MSRS 512

#define MSR_IA32_TSC 0x10
#define MSR_IA32_TSC_ADJUST 0x3b
#define NR_MTRR 27 /* but for the default type */
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLED_WRITE_BACK (1 << 11 | 6)

#define CR0_ET (1UL << 4)
#define CR0_NE (1UL << 5)
#define CR0_WP (1UL << 16)
#define EFER_LME (1UL << 8)

struct kvm_vm_state {
	struct kvm_irqchip chip[NR_IRQCHIPS];
	struct kvm_pit_state2 pit;
};

struct kvm_vcpu_state {
	struct kvm_sregs sregs;
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp;
	struct kvm_nested_state nested; /* its size is 0: KVM has none */
	uint32_t nr_msrs;
	struct kvm_msr_entry msrs[];
};

void kvm_state_free(struct kvm *kvm)
{
	free(kvm->power_on);
	free(kvm->cpuid);
	free(kvm->msrs);
	free(kvm->saved);
}

static int save_vm(struct kvm *kvm)
{
	struct kvm_vm_state *s;
	uint32_t i;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	for (i = 0; i < NR_IRQCHIPS; i++) {
		s->chip[i].chip_id = i;
		if (ioctl(kvm->vm_fd, KVM_GET_IRQCHIP, &s->chip[i]))
			goto fail;
	}
	if (ioctl(kvm->vm_fd, KVM_GET_PIT2, &s->pit))
		goto fail;
	kvm->power_on = s;
	return 0;
fail:
	free(s);
	return -errno;
}

int kvm_vm_reset(struct accel *accel)
{
	struct kvm *kvm = to_kvm(accel);
	int i;

	if (!kvm->power_on)
		return save_vm(kvm);
	for (i = 0; i < NR_IRQCHIPS; i++)
		if (ioctl(kvm->vm_fd, KVM_SET_IRQCHIP, &kvm->power_on->chip[i]))
			return -errno;
	if (ioctl(kvm->vm_fd, KVM_SET_PIT2, &kvm->power_on->pit))
		return -errno;
	return 0;
}

static int list_msrs(struct kvm *kvm)
{
	struct kvm_msr_list *l;

	l = malloc(sizeof(*l) + MAX_MSRS * sizeof(l->indices[0]));
	if (!l)
		return -ENOMEM;
	l->nmsrs = MAX_MSRS;
	if (ioctl(kvm->dev_fd, KVM_GET_MSR_INDEX_LIST, l)) {
		free(l);
		return -errno;
	}
	kvm->msrs = l;
	return 0;
}

/*
 * KVM_GET_MSRS and KVM_SET_MSRS stop at the first register that KVM lists and
 * then refuses: go on behind it.
 */
uint32_t kvm_each_msr(int fd, unsigned long request, struct kvm_msr_entry *msrs,
		      uint32_t nr)
{
	uint64_t space[(sizeof(struct kvm_msrs) + 64 * sizeof(*msrs)) / 8];
	struct kvm_msrs *buf = (struct kvm_msrs *)space;
	uint32_t done = 0, at = 0, n;
	int got;

	while (at < nr) {
		n = nr - at < 64 ? nr - at : 64;
		buf->nmsrs = n;
		buf->pad = 0;
		memcpy(buf->entries, &msrs[at], n * sizeof(msrs[0]));
		got = ioctl(fd, request, buf);
		if (got < 0)
			got = 0;
		/* What was refused drops out of the list. */
		memmove(&msrs[done], buf->entries,
			(uint32_t)got * sizeof(msrs[0]));
		done += (uint32_t)got;
		at += (uint32_t)got + ((uint32_t)got < n);
	}
	return done;
}

/* Where no guest runs in the guest, it is a header. */
static int save_nested(struct accel_vcpu *vcpu, struct kvm_nested_state *nested)
{
	if (ioctl(vcpu->kvm->vm_fd, KVM_CHECK_EXTENSION,
		  KVM_CAP_NESTED_STATE) <= 0)
		return 0;
	nested->size = sizeof(*nested);
	return ioctl(vcpu->fd, KVM_GET_NESTED_STATE, nested) ? -errno : 0;
}

/*
 * Leaves VMX operation, or a guest of the guest.  Before all else: on Intel,
 * the control registers at power-on are none that VMX operation allows, and
 * registers would go to the inner guest.
 */
static int restore_nested(struct accel_vcpu *vcpu)
{
	struct kvm_nested_state nested = vcpu->power_on->nested;

	if (!nested.size)
		return 0;
	return ioctl(vcpu->fd, KVM_SET_NESTED_STATE, &nested) ? -errno : 0;
}

static int save_vcpu(struct accel_vcpu *vcpu)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_vcpu_state *s;
	uint32_t i;
	int rc;

	if (!kvm->msrs) {
		rc = list_msrs(kvm);
		if (rc)
			return rc;
	}
	s = calloc(1, sizeof(*s) + kvm->msrs->nmsrs * sizeof(s->msrs[0]));
	if (!s)
		return -ENOMEM;
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &s->sregs) ||
	    ioctl(vcpu->fd, KVM_GET_LAPIC, &s->lapic) ||
	    ioctl(vcpu->fd, KVM_GET_MP_STATE, &s->mp))
		rc = -errno;
	else
		rc = save_nested(vcpu, &s->nested);
	if (rc) {
		free(s);
		return rc;
	}
	for (i = 0; i < kvm->msrs->nmsrs; i++) {
		/* Time goes on over a reset, the same for all vCPUs. */
		if (kvm->msrs->indices[i] == MSR_IA32_TSC ||
		    kvm->msrs->indices[i] == MSR_IA32_TSC_ADJUST)
			continue;
		s->msrs[s->nr_msrs++].index = kvm->msrs->indices[i];
	}
	s->nr_msrs = kvm_each_msr(vcpu->fd, KVM_GET_MSRS, s->msrs, s->nr_msrs);
	vcpu->power_on = s;
	return 0;
}

/*
 * KVM keeps the MTRRs but does not list them: all are 0 at power-on.  The type
 * of what they do not cover is enable_mtrr()'s.
 */
static void clear_mtrr(struct accel_vcpu *vcpu)
{
	static const struct {
		uint32_t first, nr;
	} ranges[] = {
		{ 0x200, 16 }, /* variable: base and mask of eight */
		{ 0x250, 1 },  /* fixed: 64 KiB each, 16 KiB, 4 KiB */
		{ 0x258, 2 },
		{ 0x268, 8 },
	};
	struct kvm_msr_entry msrs[NR_MTRR] = { 0 };
	uint32_t nr = 0, i, j;

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		for (j = 0; j < ranges[i].nr; j++)
			msrs[nr++].index = ranges[i].first + j;
	kvm_each_msr(vcpu->fd, KVM_SET_MSRS, msrs, nr);
}

static int restore_vcpu(struct accel_vcpu *vcpu)
{
	const struct kvm_vcpu_state *s = vcpu->power_on;
	/*
	 * No event of any kind.  What has a flag would else stay as it is: an
	 * NMI that waits would be the first thing that the new guest sees.
	 */
	struct kvm_vcpu_events events = {
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING |
			 KVM_VCPUEVENT_VALID_SIPI_VECTOR |
			 KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM,
	};
	struct kvm_debugregs debug = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 1 };
	struct kvm_msr_entry *msrs;
	struct kvm_xsave *xsave;
	size_t size = s->nr_msrs * sizeof(msrs[0]);
	int xsave_size, rc = 0;

	xsave_size =
		ioctl(vcpu->kvm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	if (xsave_size < (int)sizeof(*xsave))
		xsave_size = sizeof(*xsave);
	xsave = calloc(1, (size_t)xsave_size);
	msrs = malloc(size);
	if (!xsave || !msrs) {
		rc = -ENOMEM;
		goto out;
	}
	/* No component present: all of them in their initial state. */
	xsave->region[0] = 0x37f;  /* FCW */
	xsave->region[6] = 0x1f80; /* MXCSR */
	memcpy(msrs, s->msrs, size);

	rc = restore_nested(vcpu);
	if (rc)
		goto out;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &s->sregs) ||
	    ioctl(vcpu->fd, KVM_SET_XSAVE, xsave) ||
	    ioctl(vcpu->fd, KVM_SET_LAPIC, &s->lapic) ||
	    ioctl(vcpu->fd, KVM_SET_MP_STATE, &s->mp) ||
	    ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &debug) ||
	    ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events)) {
		rc = -errno;
		goto out;
	}
	/* A processor without XSAVE has no extended control registers. */
	ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs);
	kvm_each_msr(vcpu->fd, KVM_SET_MSRS, msrs, s->nr_msrs);
	clear_mtrr(vcpu);
out:
	free(xsave);
	free(msrs);
	return rc;
}

static void set_segment(struct kvm_segment *seg, uint16_t selector,
			uint8_t type, bool code64, bool code)
{
	memset(seg, 0, sizeof(*seg));
	seg->limit = 0xffffffff;
	seg->selector = selector;
	seg->type = type;
	seg->present = 1;
	seg->s = 1;
	seg->g = 1;
	seg->l = code && code64;
	seg->db = !(code && code64);
}

/* What the boot protocol asks for, on top of the state at power-on. */
static int enter_at(struct accel_vcpu *vcpu, const struct cpu_entry *entry)
{
	struct kvm_sregs sregs = vcpu->power_on->sregs;
	struct kvm_regs regs = {
		.rip = entry->rip,
		.rsp = entry->rsp,
		.rbx = entry->rbx,
		.rsi = entry->rsi,
		.rflags = 2,
	};
	struct kvm_segment data;

	set_segment(&sregs.cs, entry->code_sel, 0xb, entry->long_mode, true);
	set_segment(&data, entry->data_sel, 0x3, entry->long_mode, false);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.tr = (struct kvm_segment){ .limit = 0x67,
					 .type = 0xb,
					 .present = 1 };
	sregs.gdt.base = entry->gdt_base;
	sregs.gdt.limit = entry->gdt_limit;
	sregs.idt.base = 0;
	sregs.idt.limit = 0;
	sregs.cr0 = CR0_PE | CR0_ET;
	if (entry->long_mode) {
		sregs.cr0 |= CR0_NE | CR0_WP | CR0_PG;
		sregs.cr3 = entry->cr3;
		sregs.cr4 = CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
	}
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) ||
	    ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}

/* As firmware leaves it; without it Linux switches PAT off. */
static void enable_mtrr(struct accel_vcpu *vcpu)
{
	struct kvm_msr_entry msr = {
		.index = MSR_MTRR_DEF_TYPE,
		.data = MTRR_ENABLED_WRITE_BACK,
	};

	kvm_each_msr(vcpu->fd, KVM_SET_MSRS, &msr, 1);
}

int kvm_vcpu_reset(struct accel_vcpu *vcpu, const struct cpu_entry *entry,
		   struct error *err)
{
	int rc;

	rc = vcpu->power_on ? restore_vcpu(vcpu) : save_vcpu(vcpu);
	if (!rc && entry)
		rc = enter_at(vcpu, entry);
	if (rc)
		return error_sys(err, -rc, "cannot reset vCPU %u", vcpu->id);
	enable_mtrr(vcpu);
	return 0;
}

/*
 * The guest's kvmclock.  A host that cannot stop it lets the guest see a jump,
 * as it would after a suspend.
 */
void kvm_vm_clock(struct accel *accel, bool on)
{
	struct kvm *kvm = to_kvm(accel);

	if (!on) {
		if (ioctl(kvm->vm_fd, KVM_GET_CLOCK, &kvm->clock))
			kvm->clock.clock = 0;
		return;
	}
	/* Only the clock itself: the host's time has gone on. */
	kvm->clock = (struct kvm_clock_data){ .clock = kvm->clock.clock };
	if (kvm->clock.clock)
		ioctl(kvm->vm_fd, KVM_SET_CLOCK, &kvm->clock);
}
