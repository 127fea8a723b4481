// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a vCPU and KVM's devices are, as state tables: a vCPU's registers, its
 * local APIC and what waits for it; the interrupt controllers, the timer and
 * the clock that a paravirtual guest reads.
 *
 * CPUID is in the state to be compared: a guest has seen it, and goes on only
 * on a processor that is the same to it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../error.h"
#include "../state.h"
#include "kvm.h"

#define MAX_CPUID 256
#define MAX_MSRS 512
#define MAX_NESTED (64U << 10)
#define MAX_XSAVE (64U << 10)
#define NR_IRQCHIPS 3
#define NR_XCRS 16

#define MSR_IA32_TSC_DEADLINE 0x6e0

/* kvm_state.c puts these to what they are at power-on; KVM does not list them. */
static const struct {
	uint32_t first, nr;
} mtrrs[] = {
	{ 0x200, 16 }, { 0x250, 1 }, { 0x258, 2 }, { 0x268, 8 }, { 0x2ff, 1 },
};

struct kvm_saved {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_mp_state mp;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;
	struct kvm_xcrs xcrs;
	struct kvm_lapic_state lapic;
	uint32_t tsc_khz;
	uint32_t nr_msrs;
	struct kvm_msr_entry *msrs;
	uint32_t nr_cpuid;
	struct kvm_cpuid_entry2 *cpuid;
	uint32_t xsave_len;
	uint8_t *xsave;
	uint32_t nested_len;
	uint8_t *nested;
	uint32_t nr_own_cpuid;
	struct kvm_cpuid_entry2 *own_cpuid;
};

void kvm_saved_free(struct kvm_saved *s)
{
	if (!s)
		return;
	free(s->msrs);
	free(s->cpuid);
	free(s->own_cpuid);
	free(s->xsave);
	free(s->nested);
	free(s);
}

/* ---- tables --------------------------------------------------------------- */

#define REG(name)                              \
	{                                      \
		STATE_U(struct kvm_regs, name) \
	}
static const struct state_field regs_fields[] = {
	REG(rax), REG(rbx), REG(rcx), REG(rdx),	   REG(rsi), REG(rdi), REG(rsp),
	REG(rbp), REG(r8),  REG(r9),  REG(r10),	   REG(r11), REG(r12), REG(r13),
	REG(r14), REG(r15), REG(rip), REG(rflags), { 0 },
};

#define SEG(name)                                 \
	{                                         \
		STATE_U(struct kvm_segment, name) \
	}
static const struct state_field segment_fields[] = {
	SEG(base), SEG(limit),	  SEG(selector), SEG(type), SEG(present),
	SEG(dpl),  SEG(db),	  SEG(s),	 SEG(l),    SEG(g),
	SEG(avl),  SEG(unusable), { 0 },
};

static const struct state_field dtable_fields[] = {
	{ STATE_U(struct kvm_dtable, base) },
	{ STATE_U(struct kvm_dtable, limit) },
	{ 0 },
};

#define SREG(name)                              \
	{                                       \
		STATE_U(struct kvm_sregs, name) \
	}
#define SREG_SEG(name)                                             \
	{                                                          \
		STATE_PART(struct kvm_sregs, name, segment_fields) \
	}
static const struct state_field sregs_fields[] = {
	SREG_SEG(cs),
	SREG_SEG(ds),
	SREG_SEG(es),
	SREG_SEG(fs),
	SREG_SEG(gs),
	SREG_SEG(ss),
	SREG_SEG(tr),
	SREG_SEG(ldt),
	{ STATE_PART(struct kvm_sregs, gdt, dtable_fields) },
	{ STATE_PART(struct kvm_sregs, idt, dtable_fields) },
	SREG(cr0),
	SREG(cr2),
	SREG(cr3),
	SREG(cr4),
	SREG(cr8),
	SREG(efer),
	SREG(apic_base),
	{ STATE_ARRAY(struct kvm_sregs, interrupt_bitmap) },
	{ 0 },
};

static const struct state_field xcr_fields[] = {
	{ STATE_U(struct kvm_xcr, xcr) },
	{ STATE_U(struct kvm_xcr, value) },
	{ 0 },
};

static const struct state_field xcrs_fields[] = {
	{ STATE_U(struct kvm_xcrs, nr_xcrs), .max = NR_XCRS },
	{ STATE_U(struct kvm_xcrs, flags) },
	{ .name = "xcrs",
	  .kind = STATE_GROUP,
	  .count = NR_XCRS,
	  .stride = sizeof(struct kvm_xcr),
	  .offset = offsetof(struct kvm_xcrs, xcrs),
	  .fields = xcr_fields },
	{ 0 },
};

static const struct state_field msr_fields[] = {
	{ STATE_U(struct kvm_msr_entry, index) },
	{ STATE_U(struct kvm_msr_entry, data) },
	{ 0 },
};

static const struct state_field cpuid_fields[] = {
	{ STATE_U(struct kvm_cpuid_entry2, function) },
	{ STATE_U(struct kvm_cpuid_entry2, index) },
	{ STATE_U(struct kvm_cpuid_entry2, flags) },
	{ STATE_U(struct kvm_cpuid_entry2, eax) },
	{ STATE_U(struct kvm_cpuid_entry2, ebx) },
	{ STATE_U(struct kvm_cpuid_entry2, ecx) },
	{ STATE_U(struct kvm_cpuid_entry2, edx) },
	{ 0 },
};

static uint32_t nr_msrs(const void *obj)
{
	return ((const struct kvm_saved *)obj)->nr_msrs;
}

static uint32_t nr_cpuid(const void *obj)
{
	return ((const struct kvm_saved *)obj)->nr_cpuid;
}

static uint32_t xsave_len(const void *obj)
{
	return ((const struct kvm_saved *)obj)->xsave_len;
}

static uint32_t nested_len(const void *obj)
{
	return ((const struct kvm_saved *)obj)->nested_len;
}

static const struct state_field saved_fields[] = {
	{ STATE_U(struct kvm_saved, nr_cpuid), .max = MAX_CPUID },
	{ .name = "cpuid",
	  .kind = STATE_GROUP,
	  .stride = sizeof(struct kvm_cpuid_entry2),
	  .offset = offsetof(struct kvm_saved, cpuid),
	  .count_of = nr_cpuid,
	  .pointer = true,
	  .fields = cpuid_fields },
	{ STATE_PART(struct kvm_saved, regs, regs_fields) },
	{ STATE_PART(struct kvm_saved, sregs, sregs_fields) },
	{ .name = "mp_state",
	  .kind = STATE_UINT,
	  .size = 4,
	  .count = 1,
	  .offset = offsetof(struct kvm_saved, mp.mp_state) },
	{ STATE_BYTES(struct kvm_saved, events) },
	{ STATE_BYTES(struct kvm_saved, debug) },
	{ STATE_PART(struct kvm_saved, xcrs, xcrs_fields) },
	{ STATE_BYTES(struct kvm_saved, lapic) },
	{ STATE_U(struct kvm_saved, tsc_khz) },
	{ STATE_U(struct kvm_saved, nr_msrs), .max = MAX_MSRS },
	{ .name = "msrs",
	  .kind = STATE_GROUP,
	  .stride = sizeof(struct kvm_msr_entry),
	  .offset = offsetof(struct kvm_saved, msrs),
	  .count_of = nr_msrs,
	  .pointer = true,
	  .fields = msr_fields },
	{ STATE_U(struct kvm_saved, xsave_len), .max = MAX_XSAVE },
	{ .name = "xsave",
	  .kind = STATE_UINT,
	  .size = 1,
	  .offset = offsetof(struct kvm_saved, xsave),
	  .count_of = xsave_len,
	  .pointer = true },
	{ STATE_U(struct kvm_saved, nested_len), .max = MAX_NESTED },
	{ .name = "nested",
	  .kind = STATE_UINT,
	  .size = 1,
	  .offset = offsetof(struct kvm_saved, nested),
	  .count_of = nested_len,
	  .pointer = true },
	{ 0 },
};

/* ---- a vCPU, into memory ---------------------------------------------------- */

static struct kvm_saved *saved_new(void)
{
	struct kvm_saved *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	/* As large as any that a state may hold. */
	s->msrs = calloc(MAX_MSRS, sizeof(s->msrs[0]));
	s->cpuid = calloc(MAX_CPUID, sizeof(s->cpuid[0]));
	s->own_cpuid = calloc(MAX_CPUID, sizeof(s->cpuid[0]));
	s->xsave = calloc(1, MAX_XSAVE);
	s->nested = calloc(1, MAX_NESTED);
	if (s->msrs && s->cpuid && s->own_cpuid && s->xsave && s->nested)
		return s;
	kvm_saved_free(s);
	return NULL;
}

static int get_cpuid(struct accel_vcpu *vcpu, struct kvm_cpuid_entry2 *entries,
		     uint32_t *nr)
{
	struct kvm_cpuid2 *c;
	int rc = 0;

	c = calloc(1, sizeof(*c) + MAX_CPUID * sizeof(c->entries[0]));
	if (!c)
		return -ENOMEM;
	c->nent = MAX_CPUID;
	if (ioctl(vcpu->fd, KVM_GET_CPUID2, c)) {
		rc = -errno;
	} else {
		memcpy(entries, c->entries, c->nent * sizeof(c->entries[0]));
		*nr = c->nent;
	}
	free(c);
	return rc;
}

static int get_msrs(struct accel_vcpu *vcpu, struct kvm_saved *s)
{
	const struct kvm_msr_list *list = vcpu->kvm->msrs;
	uint32_t i, j, nr = 0;

	for (i = 0; list && i < list->nmsrs && nr < MAX_MSRS; i++)
		s->msrs[nr++].index = list->indices[i];
	for (i = 0; i < sizeof(mtrrs) / sizeof(mtrrs[0]); i++)
		for (j = 0; j < mtrrs[i].nr && nr < MAX_MSRS; j++)
			s->msrs[nr++].index = mtrrs[i].first + j;
	s->nr_msrs = kvm_each_msr(vcpu->fd, KVM_GET_MSRS, s->msrs, nr);
	return 0;
}

static uint32_t own_xsave_len(const struct accel_vcpu *vcpu)
{
	int len = ioctl(vcpu->kvm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	const int least = sizeof(struct kvm_xsave);

	return (uint32_t)(len > least ? len : least);
}

static int get_xsave(struct accel_vcpu *vcpu, struct kvm_saved *s)
{
	s->xsave_len = own_xsave_len(vcpu);
	if (s->xsave_len > MAX_XSAVE)
		return -E2BIG;
	return ioctl(vcpu->fd,
		     s->xsave_len > sizeof(struct kvm_xsave) ? KVM_GET_XSAVE2 :
							       KVM_GET_XSAVE,
		     s->xsave) ?
		       -errno :
		       0;
}

static int get_nested(struct accel_vcpu *vcpu, struct kvm_saved *s)
{
	struct kvm_nested_state *n = (struct kvm_nested_state *)s->nested;
	int len = ioctl(vcpu->kvm->vm_fd, KVM_CHECK_EXTENSION,
			KVM_CAP_NESTED_STATE);

	s->nested_len = 0;
	if (len <= 0)
		return 0;
	if (len > (int)MAX_NESTED)
		return -E2BIG;
	n->size = (uint32_t)len;
	if (ioctl(vcpu->fd, KVM_GET_NESTED_STATE, n))
		return -errno;
	s->nested_len = n->size;
	return 0;
}

/* First MP_STATE: for it KVM takes in what another vCPU has sent. */
static int get_vcpu(struct accel_vcpu *vcpu, struct kvm_saved *s)
{
	int rc;

	if (ioctl(vcpu->fd, KVM_GET_MP_STATE, &s->mp) ||
	    ioctl(vcpu->fd, KVM_GET_REGS, &s->regs) ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &s->sregs) ||
	    ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &s->events) ||
	    ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &s->debug) ||
	    ioctl(vcpu->fd, KVM_GET_LAPIC, &s->lapic))
		return -errno;
	/* A processor without XSAVE has none. */
	if (ioctl(vcpu->fd, KVM_GET_XCRS, &s->xcrs))
		s->xcrs.nr_xcrs = 0;
	rc = ioctl(vcpu->fd, KVM_GET_TSC_KHZ);
	s->tsc_khz = rc > 0 ? (uint32_t)rc : 0;
	rc = get_msrs(vcpu, s);
	if (!rc)
		rc = get_xsave(vcpu, s);
	if (!rc)
		rc = get_nested(vcpu, s);
	if (!rc)
		rc = get_cpuid(vcpu, s->cpuid, &s->nr_cpuid);
	if (!rc)
		rc = get_cpuid(vcpu, s->own_cpuid, &s->nr_own_cpuid);
	return rc;
}

static int vcpu_prepare(void *obj, struct error *err)
{
	struct accel_vcpu *vcpu = obj;
	int rc;

	if (!vcpu->saved)
		vcpu->saved = saved_new();
	rc = vcpu->saved ? get_vcpu(vcpu, vcpu->saved) : -ENOMEM;
	return rc ? error_sys(err, -rc, "cannot read the state of vCPU %u",
			      vcpu->id) :
		    0;
}

/* ---- and back --------------------------------------------------------------- */

/* What it says of the moment: OSXSAVE and OSPKE follow CR4, MWAIT an MSR. */
static void mask_cpuid(struct kvm_cpuid_entry2 *e)
{
	if (e->function == 1)
		e->ecx &= ~(1U << 27 | 1U << 3);
	else if (e->function == 7 && !e->index)
		e->ecx &= ~(1U << 4);
	else if (e->function == 0xd && e->index <= 1)
		e->ebx = 0; /* the size of what is switched on */
}

static int compare_cpuid(const struct kvm_saved *s, struct error *err)
{
	struct kvm_cpuid_entry2 a, b;
	uint32_t i;

	for (i = 0; i < s->nr_cpuid && i < s->nr_own_cpuid; i++) {
		a = s->cpuid[i];
		b = s->own_cpuid[i];
		mask_cpuid(&a);
		mask_cpuid(&b);
		if (memcmp(&a, &b, offsetof(struct kvm_cpuid_entry2, padding)))
			return error_set(
				err, EINVAL,
				"cpuid: leaf %#x.%u is %08x %08x %08x %08x there and %#x.%u %08x %08x %08x %08x here: the processor, or its KVM, is another",
				a.function, a.index, a.eax, a.ebx, a.ecx, a.edx,
				b.function, b.index, b.eax, b.ebx, b.ecx,
				b.edx);
	}
	if (s->nr_cpuid != s->nr_own_cpuid)
		return error_set(err, EINVAL,
				 "cpuid: %u leaves there and %u here",
				 s->nr_cpuid, s->nr_own_cpuid);
	return 0;
}

static void deadline_last(struct kvm_saved *s)
{
	struct kvm_msr_entry e;
	uint32_t i;

	for (i = 0; i < s->nr_msrs; i++)
		if (s->msrs[i].index == MSR_IA32_TSC_DEADLINE) {
			e = s->msrs[i];
			s->msrs[i] = s->msrs[s->nr_msrs - 1];
			s->msrs[s->nr_msrs - 1] = e;
			return;
		}
}

static int set_nested(struct accel_vcpu *vcpu, const struct kvm_saved *s)
{
	const struct kvm_nested_state *n =
		(const struct kvm_nested_state *)s->nested;

	if (!s->nested_len)
		return 0;
	if (s->nested_len < sizeof(*n) || n->size > s->nested_len)
		return -EINVAL;
	return ioctl(vcpu->fd, KVM_SET_NESTED_STATE, n) ? -errno : 0;
}

/* Says which of them KVM refused. */
static int set_parts(struct accel_vcpu *vcpu, struct kvm_saved *s,
		     const char **what)
{
	/* Without these KVM keeps what it has. */
	s->events.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING |
			   KVM_VCPUEVENT_VALID_SIPI_VECTOR |
			   KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM;
	*what = "sregs";
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &s->sregs))
		return -errno;
	*what = "xcrs";
	if (s->xcrs.nr_xcrs && ioctl(vcpu->fd, KVM_SET_XCRS, &s->xcrs))
		return -errno;
	*what = "xsave";
	if (ioctl(vcpu->fd, KVM_SET_XSAVE, s->xsave))
		return -errno;
	*what = "lapic";
	if (ioctl(vcpu->fd, KVM_SET_LAPIC, &s->lapic))
		return -errno;
	*what = "mp_state";
	if (ioctl(vcpu->fd, KVM_SET_MP_STATE, &s->mp))
		return -errno;
	*what = "debug";
	if (ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &s->debug))
		return -errno;
	/* The timer's deadline after the APIC that has the timer. */
	deadline_last(s);
	kvm_each_msr(vcpu->fd, KVM_SET_MSRS, s->msrs, s->nr_msrs);
	*what = "nested";
	if (set_nested(vcpu, s))
		return -EINVAL;
	*what = "regs";
	if (ioctl(vcpu->fd, KVM_SET_REGS, &s->regs))
		return -errno;
	*what = "events";
	if (ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &s->events))
		return -errno;
	return 0;
}

static int vcpu_loaded(void *obj, struct error *err)
{
	struct accel_vcpu *vcpu = obj;
	struct kvm_saved *s = vcpu->saved;
	const char *what;
	int rc = compare_cpuid(s, err);

	if (rc)
		return rc;
	if (s->xsave_len != own_xsave_len(vcpu))
		return error_set(err, EINVAL, "xsave: %u bytes there, %u here",
				 s->xsave_len, own_xsave_len(vcpu));
	rc = set_parts(vcpu, s, &what);
	if (rc)
		return error_sys(err, -rc, "%s: KVM refuses it", what);
	kvm_saved_free(s);
	vcpu->saved = NULL;
	return 0;
}

static const struct state_field vcpu_fields[] = {
	{ .name = "vcpu",
	  .kind = STATE_GROUP,
	  .count = 1,
	  .stride = sizeof(struct kvm_saved),
	  .offset = offsetof(struct accel_vcpu, saved),
	  .pointer = true,
	  .fields = saved_fields },
	{ 0 },
};

const struct state_table kvm_vcpu_table = {
	.version = 1,
	.fields = vcpu_fields,
	.prepare = vcpu_prepare,
	.loaded = vcpu_loaded,
};

/* ---- the machine's ------------------------------------------------------------ */

struct kvm_vm_saved {
	struct kvm_irqchip chip[NR_IRQCHIPS];
	struct kvm_pit_state2 pit;
	uint64_t clock; /* ns */
};

static int vm_prepare(void *obj, struct error *err)
{
	struct kvm *kvm = obj;
	struct kvm_vm_saved *s = kvm->saved;
	uint32_t i;

	if (!s)
		s = kvm->saved = calloc(1, sizeof(*s));
	if (!s)
		return error_sys(err, ENOMEM, "cannot keep the state of KVM");
	for (i = 0; i < NR_IRQCHIPS; i++) {
		s->chip[i].chip_id = i;
		if (ioctl(kvm->vm_fd, KVM_GET_IRQCHIP, &s->chip[i]))
			return error_sys(err, errno,
					 "cannot read interrupt controllers");
	}
	if (ioctl(kvm->vm_fd, KVM_GET_PIT2, &s->pit))
		return error_sys(err, errno, "cannot read the timer");
	/* It stands still: kvm_vm_clock(). */
	s->clock = kvm->clock.clock;
	return 0;
}

static int vm_loaded(void *obj, struct error *err)
{
	struct kvm *kvm = obj;
	struct kvm_vm_saved *s = kvm->saved;
	uint32_t i;

	for (i = 0; i < NR_IRQCHIPS; i++) {
		s->chip[i].chip_id = i;
		if (ioctl(kvm->vm_fd, KVM_SET_IRQCHIP, &s->chip[i]))
			return error_sys(err, errno, "chips: KVM refuses them");
	}
	if (ioctl(kvm->vm_fd, KVM_SET_PIT2, &s->pit))
		return error_sys(err, errno, "pit: KVM refuses it");
	/* From where it goes on when it runs. */
	kvm->clock.clock = s->clock;
	return 0;
}

static const struct state_field vm_saved_fields[] = {
	{ STATE_BYTES(struct kvm_vm_saved, chip) },
	{ STATE_BYTES(struct kvm_vm_saved, pit) },
	{ STATE_U(struct kvm_vm_saved, clock) },
	{ 0 },
};

static const struct state_field vm_fields[] = {
	{ .name = "vm",
	  .kind = STATE_GROUP,
	  .count = 1,
	  .stride = sizeof(struct kvm_vm_saved),
	  .offset = offsetof(struct kvm, saved),
	  .pointer = true,
	  .fields = vm_saved_fields },
	{ 0 },
};

const struct state_table kvm_vm_table = {
	.version = 1,
	.fields = vm_fields,
	.prepare = vm_prepare,
	.loaded = vm_loaded,
};
