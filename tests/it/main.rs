//! Whole-flow tests: devices and relays through public doors, real stores, real sockets; simulated time where time
//! matters.

mod at_rest;
mod bench;
mod closed_keyrings;
mod converges;
mod deaths;
mod deletions;
mod deletions_here;
mod deliveries;
mod fault_lab;
mod faults_events;
mod faults_negentropy;
mod faults_paging;
mod faults_size;
mod first_keyring;
mod keyring_lab;
mod keyrings;
mod locked;
mod refusals;
mod refused_kinds;
mod relay_views;
mod relays;
mod signers;
mod slow_relays;
mod switches;
