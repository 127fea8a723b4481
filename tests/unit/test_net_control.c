// SPDX-License-Identifier: GPL-2.0-or-later
/* What a driver asks for by the control queue, and which frames it gets then. */
#include <signal.h>

#include "net_rig.h"

#define ALL                                                                    \
	(CONTROL | F(VIRTIO_NET_F_CTRL_RX_EXTRA) | F(VIRTIO_NET_F_CTRL_VLAN) | \
	 F(VIRTIO_NET_F_CTRL_MAC_ADDR) | F(VIRTIO_NET_F_GUEST_ANNOUNCE) |      \
	 F(VIRTIO_NET_F_STATUS))

static const uint8_t other_mac[] = { 0x52, 0x54, 0, 4, 5, 6 };
static const uint8_t group_mac[] = { 0x33, 0x33, 0, 0, 0, 1 };
static const uint8_t all_macs[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static int setup(void **state)
{
	struct net_rig *f = calloc(1, sizeof(*f));

	*state = f;
	net_rig_open(f, NET_PASST, ALL);
	return 0;
}

static int teardown(void **state)
{
	net_rig_close(*state);
	free(*state);
	return 0;
}

static uint8_t mode(struct net_rig *f, uint8_t cmd, uint8_t on)
{
	return net_ask(f, VIRTIO_NET_CTRL_RX, cmd, &on, 1);
}

/* Whether a frame to @mac, with a tag if @vlan is not 0, comes. */
static bool comes(struct net_rig *f, const uint8_t *mac, unsigned int vlan)
{
	uint8_t frame[64];

	net_frame(frame, sizeof(frame), mac, 0);
	if (vlan) {
		frame[12] = 0x81;
		frame[13] = 0;
		frame[14] = (uint8_t)(vlan >> 8);
		frame[15] = (uint8_t)vlan;
	}
	f->next = RIG_DATA;
	net_give(f, 128);
	net_to_guest(f, frame, sizeof(frame));
	if (rig_used(f->rig, RX, NULL))
		return true;
	/* The buffer is used up by one that is surely wanted. */
	mode(f, VIRTIO_NET_CTRL_RX_PROMISC, 1);
	net_to_guest(f, frame, sizeof(frame));
	assert_int_equal(rig_used(f->rig, RX, NULL), 1);
	mode(f, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	return false;
}

/* @uni and @multi addresses of a kind, the last as given. */
static uint8_t table(struct net_rig *f, uint32_t uni, const uint8_t *last_uni,
		     uint32_t multi, const uint8_t *last_multi)
{
	static uint8_t data[0x10000];
	uint32_t len = 8 + 6 * (uni + multi);

	assert_true(len <= sizeof(data));
	memset(data, 0x22, sizeof(data));
	memcpy(data, &uni, 4);
	memcpy(data + 4 + 6 * uni, &multi, 4);
	if (uni)
		memcpy(data + 4 + 6 * (uni - 1), last_uni, 6);
	if (multi)
		memcpy(data + len - 6, last_multi, 6);
	return net_ask(f, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
		       data, len);
}

static void test_modes(void **state)
{
	struct net_rig *f = *state;

	/* Until it says otherwise, all. */
	assert_true(comes(f, other_mac, 0));
	assert_true(comes(f, other_mac, 5));
	assert_int_equal(mode(f, VIRTIO_NET_CTRL_RX_PROMISC, 0), VIRTIO_NET_OK);
	assert_false(comes(f, other_mac, 0));
	assert_true(comes(f, our_mac, 0));
	assert_true(comes(f, all_macs, 0));
	assert_false(comes(f, group_mac, 0));
	assert_int_equal(mode(f, VIRTIO_NET_CTRL_RX_ALLMULTI, 1),
			 VIRTIO_NET_OK);
	assert_true(comes(f, group_mac, 0));
	assert_int_equal(mode(f, VIRTIO_NET_CTRL_RX_NOMULTI, 1), VIRTIO_NET_OK);
	assert_false(comes(f, group_mac, 0));
	assert_int_equal(mode(f, VIRTIO_NET_CTRL_RX_NOBCAST, 1), VIRTIO_NET_OK);
	assert_false(comes(f, all_macs, 0));
	assert_int_equal(mode(f, VIRTIO_NET_CTRL_RX_ALLUNI, 1), VIRTIO_NET_OK);
	assert_true(comes(f, other_mac, 0));
	assert_int_equal(mode(f, VIRTIO_NET_CTRL_RX_NOUNI, 1), VIRTIO_NET_OK);
	assert_false(comes(f, our_mac, 0));
	assert_int_equal(mode(f, 6, 1), VIRTIO_NET_ERR);
	assert_int_equal(nic_of(f)->pairs->counts[0].unwanted, 5);
}

static void test_table(void **state)
{
	struct net_rig *f = *state;
	const uint32_t huge[] = { UINT32_MAX, 0 };

	mode(f, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	assert_int_equal(table(f, 3, other_mac, 2, group_mac), VIRTIO_NET_OK);
	assert_true(comes(f, other_mac, 0));
	assert_true(comes(f, group_mac, 0));
	assert_false(comes(f, (const uint8_t *)"\2\2\2\2\2\2", 0));
	assert_int_equal(table(f, 0, NULL, 1, group_mac), VIRTIO_NET_OK);
	assert_false(comes(f, other_mac, 0));
	assert_true(comes(f, group_mac, 0));

	/* Full; one more than there is room for is as good as all. */
	assert_int_equal(table(f, 32, other_mac, 32, group_mac), VIRTIO_NET_OK);
	assert_false(nic_of(f)->filter.multi_overflow);
	assert_true(comes(f, other_mac, 0) && comes(f, group_mac, 0));
	assert_int_equal(table(f, 32, other_mac, 33, group_mac), VIRTIO_NET_OK);
	assert_true(nic_of(f)->filter.multi_overflow);
	assert_true(comes(f, (const uint8_t *)"\3\2\2\2\2\2", 0));
	assert_false(comes(f, (const uint8_t *)"\2\2\2\2\2\2", 0));
	assert_int_equal(table(f, 65, other_mac, 1, group_mac), VIRTIO_NET_OK);
	assert_true(nic_of(f)->filter.uni_overflow);
	assert_true(comes(f, (const uint8_t *)"\2\2\2\2\2\2", 0));
	assert_true(comes(f, group_mac, 0));
	/* Longer than what is read of a command. */
	assert_int_equal(table(f, 1000, other_mac, 1, group_mac),
			 VIRTIO_NET_OK);
	assert_true(comes(f, group_mac, 0));
	assert_int_equal(table(f, 168, other_mac, 60, group_mac),
			 VIRTIO_NET_OK);
	assert_true(nic_of(f)->filter.multi_overflow);
	/* What it says of itself is wrong: as before. */
	assert_int_equal(net_ask(f, VIRTIO_NET_CTRL_MAC,
				 VIRTIO_NET_CTRL_MAC_TABLE_SET, huge, 8),
			 VIRTIO_NET_ERR);
	assert_int_equal(net_ask(f, VIRTIO_NET_CTRL_MAC,
				 VIRTIO_NET_CTRL_MAC_TABLE_SET, huge, 3),
			 VIRTIO_NET_ERR);
	assert_int_equal(net_ask(f, VIRTIO_NET_CTRL_MAC,
				 VIRTIO_NET_CTRL_MAC_TABLE_SET, "\0\0\0\0", 4),
			 VIRTIO_NET_ERR);
	assert_int_equal(net_ask(f, VIRTIO_NET_CTRL_MAC,
				 VIRTIO_NET_CTRL_MAC_TABLE_SET,
				 "\0\0\0\0\0\0\0\0\0", 9),
			 VIRTIO_NET_ERR);
	assert_true(nic_of(f)->filter.multi_overflow);
	assert_false(net_broken(f));
}

static void test_mac(void **state)
{
	struct net_rig *f = *state;
	unsigned int i;

	mode(f, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	assert_int_equal(net_ask(f, VIRTIO_NET_CTRL_MAC,
				 VIRTIO_NET_CTRL_MAC_ADDR_SET, other_mac, 6),
			 VIRTIO_NET_OK);
	for (i = 0; i < 6; i++)
		assert_int_equal(rig_read(f->rig, VIRTIO_PCI_DEVICE + i, 1),
				 other_mac[i]);
	assert_true(comes(f, other_mac, 0));
	assert_false(comes(f, our_mac, 0));
	assert_int_equal(net_ask(f, VIRTIO_NET_CTRL_MAC,
				 VIRTIO_NET_CTRL_MAC_ADDR_SET, our_mac, 5),
			 VIRTIO_NET_ERR);
	/* Until a reset. */
	rig_drive(f->rig, ALL);
	assert_int_equal(rig_read(f->rig, VIRTIO_PCI_DEVICE + 5, 1), 3);
	mode(f, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	assert_true(comes(f, our_mac, 0));
}

static uint8_t vlan(struct net_rig *f, uint8_t cmd, uint16_t id)
{
	return net_ask(f, VIRTIO_NET_CTRL_VLAN, cmd, &id, 2);
}

static void test_vlan(void **state)
{
	struct net_rig *f = *state;

	mode(f, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	assert_true(comes(f, our_mac, 0));
	assert_false(comes(f, our_mac, 7));
	assert_int_equal(vlan(f, VIRTIO_NET_CTRL_VLAN_ADD, 7), VIRTIO_NET_OK);
	assert_int_equal(vlan(f, VIRTIO_NET_CTRL_VLAN_ADD, 4095),
			 VIRTIO_NET_OK);
	assert_true(comes(f, our_mac, 7));
	assert_true(comes(f, our_mac, 7 | 0xe000)); /* with a priority */
	assert_true(comes(f, our_mac, 4095));
	assert_false(comes(f, our_mac, 8));
	assert_int_equal(vlan(f, VIRTIO_NET_CTRL_VLAN_DEL, 7), VIRTIO_NET_OK);
	assert_false(comes(f, our_mac, 7));
	assert_int_equal(vlan(f, VIRTIO_NET_CTRL_VLAN_ADD, 4096),
			 VIRTIO_NET_ERR);
	assert_int_equal(vlan(f, 2, 1), VIRTIO_NET_ERR);
}

static void test_announce(void **state)
{
	struct net_rig *f = *state;

	assert_true(virtio_net_announce(f->rig->dev));
	assert_int_equal(net_link(f),
			 VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	assert_int_equal(net_ask(f, VIRTIO_NET_CTRL_ANNOUNCE,
				 VIRTIO_NET_CTRL_ANNOUNCE_ACK, "", 0),
			 VIRTIO_NET_OK);
	assert_int_equal(net_link(f), VIRTIO_NET_S_LINK_UP);
	rig_drive(f->rig, CONTROL);
	assert_false(virtio_net_announce(f->rig->dev));
}

/* Classes of features that the driver has not taken, or that there are none of. */
static void test_unknown(void **state)
{
	struct net_rig *f = *state;

	assert_int_equal(net_ask(f, VIRTIO_NET_CTRL_MQ,
				 VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, "\1\0", 2),
			 VIRTIO_NET_ERR);
	assert_int_equal(net_ask(f, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
				 VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
				 "\0\0\0\0\0\0\0\0", 8),
			 VIRTIO_NET_ERR);
	assert_int_equal(net_ask(f, 200, 0, "", 0), VIRTIO_NET_ERR);
	rig_drive(f->rig, MERGE | F(VIRTIO_NET_F_CTRL_VQ));
	assert_int_equal(mode(f, VIRTIO_NET_CTRL_RX_PROMISC, 0),
			 VIRTIO_NET_ERR);
	assert_int_equal(vlan(f, VIRTIO_NET_CTRL_VLAN_ADD, 7), VIRTIO_NET_ERR);
	assert_false(net_broken(f));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_modes), TEST(test_table),    TEST(test_mac),
		TEST(test_vlan),  TEST(test_announce), TEST(test_unknown),
	};

	/* As the program has it. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("net control", tests, NULL, NULL);
}
