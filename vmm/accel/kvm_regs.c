// SPDX-License-Identifier: GPL-2.0-or-later
/* A vCPU's registers, between KVM's structures and struct cpu_regs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../cpu.h"
#include "kvm.h"

#define MSR_KERNEL_GS_BASE 0xc0000102

/* Where FXSAVE stores things, and XSAVE after it says what is there. */
#define FX_FCW 0
#define FX_FSW 2
#define FX_FTW 4
#define FX_FOP 6
#define FX_FIP 8
#define FX_FDP 16
#define FX_MXCSR 24
#define FX_ST 32
#define FX_XMM 160
#define XSAVE_PRESENT 512
#define XSAVE_X87_SSE 3

/* All that set_regs can change, as KVM has it. */
struct state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	uint64_t kernel_gs_base;
	struct kvm_xsave *xsave;
	size_t xsave_size;
};

static int get_msr(struct accel_vcpu *vcpu, uint32_t index, uint64_t *val)
{
	uint64_t space[(sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)) /
		       8] = { 0 };
	struct kvm_msrs *msrs = (struct kvm_msrs *)space;

	msrs->nmsrs = 1;
	msrs->entries[0].index = index;
	if (ioctl(vcpu->fd, KVM_GET_MSRS, msrs) != 1)
		return -EIO;
	*val = msrs->entries[0].data;
	return 0;
}

static int set_msr(struct accel_vcpu *vcpu, uint32_t index, uint64_t val)
{
	uint64_t space[(sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)) /
		       8] = { 0 };
	struct kvm_msrs *msrs = (struct kvm_msrs *)space;

	msrs->nmsrs = 1;
	msrs->entries[0].index = index;
	msrs->entries[0].data = val;
	return ioctl(vcpu->fd, KVM_SET_MSRS, msrs) == 1 ? 0 : -EINVAL;
}

static int get_xsave(struct accel_vcpu *vcpu, struct state *s)
{
	int size = ioctl(vcpu->kvm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	unsigned long get = KVM_GET_XSAVE2;

	if (size < (int)sizeof(*s->xsave)) {
		size = sizeof(*s->xsave);
		get = KVM_GET_XSAVE;
	}
	s->xsave_size = (size_t)size;
	s->xsave = calloc(1, s->xsave_size);
	if (!s->xsave)
		return -ENOMEM;
	return ioctl(vcpu->fd, get, s->xsave) ? -errno : 0;
}

/* The caller frees s->xsave, even on error. */
static int get_state(struct accel_vcpu *vcpu, struct state *s)
{
	memset(s, 0, sizeof(*s));
	if (ioctl(vcpu->fd, KVM_GET_REGS, &s->regs) ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &s->sregs))
		return -errno;
	/* A processor without long mode has none. */
	get_msr(vcpu, MSR_KERNEL_GS_BASE, &s->kernel_gs_base);
	return get_xsave(vcpu, s);
}

/* Both have these registers, in two orders. */
static void gpr_pointers(struct kvm_regs *r, __u64 *p[CPU_NR_GPRS])
{
	__u64 *const in_order[CPU_NR_GPRS] = {
		&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
		&r->rsi, &r->rdi, &r->r8,  &r->r9,  &r->r10, &r->r11,
		&r->r12, &r->r13, &r->r14, &r->r15,
	};

	memcpy(p, in_order, sizeof(in_order));
}

static void seg_pointers(struct kvm_sregs *s,
			 struct kvm_segment *p[CPU_NR_SEGS])
{
	struct kvm_segment *const in_order[CPU_NR_SEGS] = {
		[CPU_ES] = &s->es,    [CPU_CS] = &s->cs, [CPU_SS] = &s->ss,
		[CPU_DS] = &s->ds,    [CPU_FS] = &s->fs, [CPU_GS] = &s->gs,
		[CPU_LDTR] = &s->ldt, [CPU_TR] = &s->tr,
	};

	memcpy(p, in_order, sizeof(in_order));
}

static struct cpu_segment segment(const struct kvm_segment *s)
{
	return (struct cpu_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.attributes = (uint16_t)(s->type | s->s << 4 | s->dpl << 5 |
					 s->present << 7 | s->avl << 12 |
					 s->l << 13 | s->db << 14 | s->g << 15),
		.unusable = s->unusable,
	};
}

static void get_fpu(const struct kvm_xsave *xsave, struct cpu_regs *regs)
{
	const uint8_t *fx = (const uint8_t *)xsave->region;

	memcpy(&regs->fcw, fx + FX_FCW, sizeof(regs->fcw));
	memcpy(&regs->fsw, fx + FX_FSW, sizeof(regs->fsw));
	regs->ftw = fx[FX_FTW];
	memcpy(&regs->fop, fx + FX_FOP, sizeof(regs->fop));
	memcpy(&regs->fip, fx + FX_FIP, sizeof(regs->fip));
	memcpy(&regs->fdp, fx + FX_FDP, sizeof(regs->fdp));
	memcpy(&regs->mxcsr, fx + FX_MXCSR, sizeof(regs->mxcsr));
	memcpy(regs->st, fx + FX_ST, sizeof(regs->st));
	memcpy(regs->xmm, fx + FX_XMM, sizeof(regs->xmm));
}

static void set_fpu(struct kvm_xsave *xsave, const struct cpu_regs *regs)
{
	uint8_t *fx = (uint8_t *)xsave->region;

	memcpy(fx + FX_FCW, &regs->fcw, sizeof(regs->fcw));
	memcpy(fx + FX_FSW, &regs->fsw, sizeof(regs->fsw));
	fx[FX_FTW] = regs->ftw;
	memcpy(fx + FX_FOP, &regs->fop, sizeof(regs->fop));
	memcpy(fx + FX_FIP, &regs->fip, sizeof(regs->fip));
	memcpy(fx + FX_FDP, &regs->fdp, sizeof(regs->fdp));
	memcpy(fx + FX_MXCSR, &regs->mxcsr, sizeof(regs->mxcsr));
	memcpy(fx + FX_ST, regs->st, sizeof(regs->st));
	memcpy(fx + FX_XMM, regs->xmm, sizeof(regs->xmm));
	/* What was in its initial state, and so absent, may have changed. */
	fx[XSAVE_PRESENT] |= XSAVE_X87_SSE;
}

static void to_cpu_regs(struct state *s, struct cpu_regs *regs)
{
	struct kvm_segment *seg[CPU_NR_SEGS];
	__u64 *gpr[CPU_NR_GPRS];
	unsigned int i;

	gpr_pointers(&s->regs, gpr);
	for (i = 0; i < CPU_NR_GPRS; i++)
		regs->gpr[i] = *gpr[i];
	regs->rip = s->regs.rip;
	regs->rflags = s->regs.rflags;
	seg_pointers(&s->sregs, seg);
	for (i = 0; i < CPU_NR_SEGS; i++)
		regs->seg[i] = segment(seg[i]);
	regs->gdt.base = s->sregs.gdt.base;
	regs->gdt.limit = s->sregs.gdt.limit;
	regs->idt.base = s->sregs.idt.base;
	regs->idt.limit = s->sregs.idt.limit;
	regs->cr0 = s->sregs.cr0;
	regs->cr2 = s->sregs.cr2;
	regs->cr3 = s->sregs.cr3;
	regs->cr4 = s->sregs.cr4;
	regs->cr8 = s->sregs.cr8;
	regs->efer = s->sregs.efer;
	regs->kernel_gs_base = s->kernel_gs_base;
	get_fpu(s->xsave, regs);
}

int kvm_get_regs(struct accel_vcpu *vcpu, struct cpu_regs *regs)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct state s;
	int rc;

	memset(regs, 0, sizeof(*regs));
	rc = get_state(vcpu, &s);
	if (!rc) {
		to_cpu_regs(&s, regs);
		ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp);
		regs->halted = mp.mp_state == KVM_MP_STATE_HALTED;
		regs->waits = mp.mp_state == KVM_MP_STATE_UNINITIALIZED ||
			      mp.mp_state == KVM_MP_STATE_INIT_RECEIVED;
	}
	free(s.xsave);
	return rc;
}

/* The selectors and limits of segments stay as they are. */
static void from_cpu_regs(const struct cpu_regs *regs, struct state *s)
{
	struct kvm_segment *seg[CPU_NR_SEGS];
	__u64 *gpr[CPU_NR_GPRS];
	unsigned int i;

	gpr_pointers(&s->regs, gpr);
	for (i = 0; i < CPU_NR_GPRS; i++)
		*gpr[i] = regs->gpr[i];
	s->regs.rip = regs->rip;
	s->regs.rflags = regs->rflags;
	seg_pointers(&s->sregs, seg);
	for (i = 0; i < CPU_NR_SEGS; i++)
		seg[i]->base = regs->seg[i].base;
	s->sregs.cr0 = regs->cr0;
	s->sregs.cr2 = regs->cr2;
	s->sregs.cr3 = regs->cr3;
	s->sregs.cr4 = regs->cr4;
	s->sregs.cr8 = regs->cr8;
	s->sregs.efer = regs->efer;
	s->kernel_gs_base = regs->kernel_gs_base;
	set_fpu(s->xsave, regs);
}

int kvm_set_regs(struct accel_vcpu *vcpu, const struct cpu_regs *regs)
{
	struct cpu_regs old;
	struct state s, was;
	int rc;

	rc = get_state(vcpu, &s);
	if (rc)
		goto out;
	was = s;
	memset(&old, 0, sizeof(old));
	get_fpu(s.xsave, &old);
	from_cpu_regs(regs, &s);
	rc = -EINVAL; /* what KVM says, too, if it refuses */
	/* Each has side effects: what is as it was is left alone. */
	if (memcmp(&s.sregs, &was.sregs, sizeof(s.sregs)) &&
	    ioctl(vcpu->fd, KVM_SET_SREGS, &s.sregs))
		goto out;
	if (memcmp(&s.regs, &was.regs, sizeof(s.regs)) &&
	    ioctl(vcpu->fd, KVM_SET_REGS, &s.regs))
		goto out;
	if (s.kernel_gs_base != was.kernel_gs_base &&
	    set_msr(vcpu, MSR_KERNEL_GS_BASE, s.kernel_gs_base))
		goto out;
	if (memcmp(&old.fcw, &regs->fcw,
		   sizeof(old) - offsetof(struct cpu_regs, fcw)) &&
	    ioctl(vcpu->fd, KVM_SET_XSAVE, s.xsave))
		goto out;
	rc = 0;
out:
	free(s.xsave);
	return rc;
}
