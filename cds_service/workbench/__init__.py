"""What the workbench shows beside the service's answer: drugs to choose from, what was understood, the day's doses."""
