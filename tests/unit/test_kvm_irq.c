// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages that KVM sends when an eventfd is signalled.  Needs /dev/kvm. */
#include "cmocka_unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "accel/kvm.h"
#include "error.h"

#define APIC_SVR 0xf0
#define APIC_IRR 0x200
#define APIC_SVR_ON 0x1ff
/* To the processor with APIC ID 0. */
#define MSI_ADDR 0xfee00000ULL

struct fixture {
	struct accel *accel;
	int vcpu;
	int fd;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct kvm_lapic_state lapic;
	struct bus pio, mmio;
	struct error err;

	assert_non_null(f);
	*state = f;
	if (accel_kvm.create(&f->accel, &pio, &mmio, &err)) {
		f->accel = NULL;
		return 0;
	}
	f->vcpu = ioctl(to_kvm(f->accel)->vm_fd, KVM_CREATE_VCPU, 0);
	assert_true(f->vcpu >= 0);
	/* Else it takes no interrupt. */
	assert_int_equal(ioctl(f->vcpu, KVM_GET_LAPIC, &lapic), 0);
	memcpy(lapic.regs + APIC_SVR, &(uint32_t){ APIC_SVR_ON }, 4);
	assert_int_equal(ioctl(f->vcpu, KVM_SET_LAPIC, &lapic), 0);
	f->fd = eventfd(0, EFD_CLOEXEC);
	assert_true(f->fd >= 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->accel) {
		close(f->fd);
		close(f->vcpu);
		accel_kvm.destroy(f->accel);
	}
	free(f);
	return 0;
}

static struct fixture *need_kvm(void **state)
{
	struct fixture *f = *state;

	if (!f->accel) {
		print_message("no /dev/kvm\n");
		skip();
	}
	return f;
}

/* Whether interrupt @vector has reached the processor, within a second. */
static bool arrived(struct fixture *f, unsigned int vector, unsigned int tries)
{
	struct kvm_lapic_state lapic;
	uint32_t irr;

	for (; tries; tries--) {
		assert_int_equal(ioctl(f->vcpu, KVM_GET_LAPIC, &lapic), 0);
		memcpy(&irr, lapic.regs + APIC_IRR + vector / 32 * 16, 4);
		if (irr & 1U << vector % 32)
			return true;
		usleep(1000);
	}
	return false;
}

static void signal_it(struct fixture *f)
{
	uint64_t one = 1;

	assert_int_equal(write(f->fd, &one, sizeof(one)), sizeof(one));
}

static void test_message(void **state)
{
	struct fixture *f = need_kvm(state);
	int gsi = -1;

	assert_int_equal(accel_kvm.msi_route(f->accel, &gsi, MSI_ADDR, 0x41),
			 0);
	assert_int_equal(gsi, 24);
	assert_int_equal(accel_kvm.irqfd(f->accel, 24, f->fd, -1, false), 0);
	signal_it(f);
	assert_true(arrived(f, 0x41, 1000));

	/* Changed while it is attached. */
	assert_int_equal(accel_kvm.msi_route(f->accel, &gsi, MSI_ADDR, 0x62),
			 0);
	assert_false(arrived(f, 0x62, 1));
	signal_it(f);
	assert_true(arrived(f, 0x62, 1000));

	/* What it counts while nobody listens is sent later. */
	assert_int_equal(accel_kvm.irqfd(f->accel, 24, f->fd, -1, true), 0);
	assert_int_equal(accel_kvm.msi_route(f->accel, &gsi, MSI_ADDR, 0x73),
			 0);
	signal_it(f);
	assert_false(arrived(f, 0x73, 20));
	assert_int_equal(accel_kvm.irqfd(f->accel, 24, f->fd, -1, false), 0);
	assert_true(arrived(f, 0x73, 1000));
	accel_kvm.irqfd(f->accel, 24, f->fd, -1, true);
	accel_kvm.msi_unroute(f->accel, gsi);
}

/* Numbers are given out again, and there is an end of them. */
static void test_numbers(void **state)
{
	struct fixture *f = need_kvm(state);
	int gsi, i;

	for (i = 0; i < 2048; i++) {
		gsi = -1;
		assert_int_equal(accel_kvm.msi_route(f->accel, &gsi, MSI_ADDR,
						     0x40),
				 0);
		assert_int_equal(gsi, 24 + i);
	}
	gsi = -1;
	assert_true(accel_kvm.msi_route(f->accel, &gsi, MSI_ADDR, 0x40) < 0);
	assert_int_equal(gsi, -1);
	accel_kvm.msi_unroute(f->accel, 24 + 1000);
	assert_int_equal(accel_kvm.msi_route(f->accel, &gsi, MSI_ADDR, 0x80),
			 0);
	assert_int_equal(gsi, 24 + 1000);
	assert_int_equal(accel_kvm.irqfd(f->accel, (unsigned int)gsi, f->fd, -1,
					 false),
			 0);
	signal_it(f);
	assert_true(arrived(f, 0x80, 1000));
	/* The pins are what they were. */
	assert_int_equal(accel_kvm.irq_line(f->accel, 4, true), 0);
	assert_int_equal(accel_kvm.irq_line(f->accel, 23, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
	};

	return cmocka_run_group_tests_name("kvm_irq", tests, NULL, NULL);
}
