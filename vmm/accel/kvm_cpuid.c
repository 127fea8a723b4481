// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the guest's CPUID says: all that the host's KVM can do, and a topology
 * of one package with one thread per core (Intel SDM vol. 2, CPUID; AMD APM
 * vol. 3, appendix E).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../error.h"
#include "kvm.h"

#define MAX_ENTRIES 256

static int get_supported(struct kvm *kvm, struct error *err)
{
	struct kvm_cpuid2 *c;
	int rc;

	c = calloc(1, sizeof(*c) + MAX_ENTRIES * sizeof(c->entries[0]));
	if (!c)
		return error_sys(err, ENOMEM, "cannot read KVM's CPUID");
	c->nent = MAX_ENTRIES;
	if (ioctl(kvm->dev_fd, KVM_GET_SUPPORTED_CPUID, c)) {
		rc = error_sys(err, errno, "cannot read KVM's CPUID");
		free(c);
		return rc;
	}
	kvm->cpuid = c;
	return 0;
}

/* Bits that number @nr things from 0. */
static unsigned int bits_for(unsigned int nr)
{
	unsigned int bits = 0;

	while ((1U << bits) < nr)
		bits++;
	return bits;
}

/* Leaves 0xb and 0x1f: subleaf 0 is the thread level, 1 the core level. */
static void fill_topology(struct kvm_cpuid_entry2 *e, unsigned int id,
			  unsigned int nr)
{
	e->eax = 0;
	e->ebx = 0;
	e->ecx = e->index;
	e->edx = id;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= 1 << 8;
	} else if (e->index == 1) {
		e->eax = bits_for(nr);
		e->ebx = nr;
		e->ecx |= 2 << 8;
	}
}

static void adjust(struct kvm_cpuid_entry2 *e, unsigned int id, unsigned int nr,
		   bool tsc_deadline)
{
	unsigned int bits = bits_for(nr);

	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0xffff) | nr << 16 | id << 24;
		e->ecx |= 1U << 31; /* hypervisor present */
		if (tsc_deadline)
			e->ecx |= 1U << 24;
		e->edx &= ~(1U << 28);
		if (nr > 1) /* more than one logical processor */
			e->edx |= 1U << 28;
		break;
	case 4: /* caches; cores in the package, sharers of the last level */
	case 0x8000001d:
		if (!(e->eax & 0x1f))
			break;
		e->eax &= 0x3fff;
		if (((e->eax >> 5) & 7) >= 3)
			e->eax |= ((1U << bits) - 1) << 14;
		if (e->function == 4)
			e->eax |= (((1U << bits) - 1) & 0x3f) << 26;
		break;
	case 0xb:
	case 0x1f:
		fill_topology(e, id, nr);
		break;
	case 0x80000008:
		e->ecx = bits << 12 | (nr - 1);
		break;
	case 0x8000001e:
		e->eax = id;
		e->ebx = id; /* one thread per core */
		e->ecx = 0;  /* one node */
		break;
	}
}

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *c, uint32_t function,
				     uint32_t index)
{
	uint32_t i;

	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function == function &&
		    c->entries[i].index == index)
			return &c->entries[i];
	return NULL;
}

/* KVM may report fewer levels of leaf 0xb than one package needs. */
static void need_subleaf(struct kvm_cpuid2 *c, uint32_t function,
			 uint32_t index)
{
	struct kvm_cpuid_entry2 *e;

	if (find(c, function, index) || c->nent == MAX_ENTRIES ||
	    !find(c, 0, 0) || find(c, 0, 0)->eax < function)
		return;
	e = &c->entries[c->nent++];
	memset(e, 0, sizeof(*e));
	e->function = function;
	e->index = index;
	e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
}

int kvm_set_cpuid(struct accel_vcpu *vcpu, unsigned int nr, struct error *err)
{
	struct kvm *kvm = vcpu->kvm;
	bool tsc_deadline;
	uint32_t i;
	int rc;

	if (!kvm->cpuid) {
		rc = get_supported(kvm, err);
		if (rc)
			return rc;
		need_subleaf(kvm->cpuid, 0xb, 0);
		need_subleaf(kvm->cpuid, 0xb, 1);
	}
	tsc_deadline = ioctl(kvm->dev_fd, KVM_CHECK_EXTENSION,
			     KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	for (i = 0; i < kvm->cpuid->nent; i++)
		adjust(&kvm->cpuid->entries[i], vcpu->id, nr, tsc_deadline);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, kvm->cpuid))
		return error_sys(err, errno, "cannot set CPUID of vCPU %u",
				 vcpu->id);
	return 0;
}
