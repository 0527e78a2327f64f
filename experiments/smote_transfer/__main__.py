from experiments.smote_transfer.experiment import main

if __name__ == "__main__":
    main()
